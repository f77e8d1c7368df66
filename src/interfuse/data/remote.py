"""Pictures that are not plain files: on object stores and web servers by fsspec, and names that are not UTF-8."""

import io
import os
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from interfuse.core.errors import DataError, ExtraMissingError, require

SCHEMES = ("s3", "gs", "gcs", "az", "abfs", "hf", "http", "https", "memory")
MAX_BYTES = 256 << 20
"""Largest remote file that is fetched."""
_FILE = "file://"


def scheme_of(name: str) -> str | None:
    """Give the scheme of a URL, none where the name is a path."""
    scheme, separator, _ = name.partition("://")
    return scheme.lower() if separator and scheme.replace("+", "").replace(":", "").isalnum() else None


def is_remote(name: str | Path) -> bool:
    """Tell whether a name is a URL that is fetched."""
    return isinstance(name, str) and scheme_of(name) in SCHEMES


def fetch(url: str) -> io.BytesIO:
    """Fetch a remote file.

    Raises:
        DataError: it cannot be fetched, or is larger than `MAX_BYTES`; the message is the reason.
    """
    try:
        fsspec = require("fsspec", "remote")
        with fsspec.open(url, "rb") as handle:
            content = handle.read(MAX_BYTES + 1)
    except ExtraMissingError as error:
        raise DataError(str(error)) from error
    except FileNotFoundError as error:
        raise DataError("the remote file does not exist") from error
    except ImportError as error:  # the part of fsspec that speaks this protocol
        raise DataError(
            f"{url.partition(':')[0]}:// needs a package: {error} pip install 'interfuse[remote]'"
        ) from error
    except Exception as error:  # whatever a server or its client does
        raise DataError(f"the remote file cannot be fetched: {str(error).strip() or type(error).__name__}") from error
    if len(content) > MAX_BYTES:
        raise DataError(f"the remote file is larger than the limit of {MAX_BYTES:,} bytes")
    return io.BytesIO(content)


def to_name(path: str) -> str:
    """Write a path whose bytes are not UTF-8 as a file URL, since tables hold UTF-8; others stay as they are."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return _FILE + quote_from_bytes(os.fsencode(path))
    return path


def to_path(name: str | Path) -> str | Path:
    """Give the path that a file URL names; others stay as they are."""
    if isinstance(name, str) and name.startswith(_FILE):
        return os.fsdecode(unquote_to_bytes(name[len(_FILE) :]))
    return name


def as_written(folder: Path, name: str) -> str:
    """Give the name as the disk has it; where no file has it in UTF-8 but one has it in Latin-1, that one's."""
    if name.isascii() or "\0" in name or os.path.lexists(folder / name):
        return name
    try:
        other = os.fsdecode(name.encode("latin-1"))
        return other if os.path.lexists(folder / other) else name
    except (UnicodeEncodeError, OSError):
        return name
