"""Pictures that are not plain files: on object stores and web servers by fsspec, and names that are not UTF-8."""

import hashlib
import io
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

from interfuse.core.errors import DataError, ExtraMissingError, require
from interfuse.core.files import write_atomically
from interfuse.core.outside import refuse_out_of_files
from interfuse.data.pictures import web
from interfuse.data.pictures.unpack import Unpacked

T = TypeVar("T")

SCHEMES = ("s3", "gs", "gcs", "az", "abfs", "hf", "http", "https", "memory")
MAX_BYTES = 256 << 20
"""Largest remote file that is fetched."""
NOT_FETCHED = "it is a URL, and rows fetch nothing by themselves; fetch=public fetches it"
_WEB = ("http", "https")
_WEB_STAMPS = ("Etag", "Content-Md5", "Digest", "Last-Modified")
_FILE = "file://"
_STAMPS = ("ETag", "etag", "Content-MD5", "Digest", "md5Hash", "content_md5", "generation", "LastModified", "created")
"""What file systems call a mark of the content or the time of its change."""


def scheme_of(name: str) -> str | None:
    """Return the scheme of a URL, none where the name is a path."""
    scheme, separator, _ = name.partition("://")
    return scheme.lower() if separator and scheme.replace("+", "").replace(":", "").isalnum() else None


def is_remote(name: str | Path) -> bool:
    """Whether a name is a URL that is fetched."""
    return isinstance(name, str) and scheme_of(name) in SCHEMES


def fetch(url: str, private: bool = False) -> io.BytesIO:
    """Fetch a remote file, within `web.DEADLINE_S`.

    Args:
        url: of one of `SCHEMES`.
        private: take it from a server at a private address too.

    Raises:
        DataError: it cannot be fetched, or is larger than `MAX_BYTES`; the message is the reason.
    """
    try:
        if scheme_of(url) in _WEB:
            return web.get(url, MAX_BYTES, private)
        content = _within_deadline(lambda: _read(url))
    except DataError:
        raise
    except ExtraMissingError as error:
        raise DataError(str(error)) from error
    except FileNotFoundError as error:
        raise DataError("the remote file does not exist") from error
    except ImportError as error:  # the part of fsspec that speaks this protocol
        raise DataError(
            f"{url.partition(':')[0]}:// needs a package: {error} pip install 'interfuse[remote]'"
        ) from error
    except Exception as error:  # whatever a server or its client does
        refuse_out_of_files(error)
        raise DataError(f"the remote file cannot be fetched: {str(error).strip() or type(error).__name__}") from error
    if len(content) > MAX_BYTES:
        raise DataError(f"the remote file is larger than the limit of {MAX_BYTES:,} bytes")
    return io.BytesIO(content)


def _read(url: str) -> bytes:
    with require("fsspec", "remote").open(url, "rb") as handle:
        content: bytes = handle.read(MAX_BYTES + 1)
    return content


def _within_deadline(call: Callable[[], T]) -> T:
    """Return what a call returns, or give it up: clients of object stores know no deadline for a whole file."""
    answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((call(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        answer, error = answers.get(timeout=web.DEADLINE_S)
    except queue.Empty:
        raise DataError(f"the server took longer than {web.DEADLINE_S:.0f} seconds") from None
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]  # there is no error, so there is an answer


class RemoteCache:
    """Files here for pictures there: each is fetched once, and again only when its server says that it has changed."""

    def __init__(self, unpacked: Unpacked, private: bool = False) -> None:
        """Keep the pictures among the unpacked ones.

        Args:
            unpacked: where they are kept.
            private: fetch from servers at private addresses too.
        """
        self.unpacked, self.private, self.downloads, self.hits = unpacked, private, 0, 0
        self._guard = threading.Lock()

    def get(self, url: str) -> str:
        """Return the file that holds what the URL gives.

        Raises:
            DataError: it cannot be fetched or written; the message is the reason.
        """
        stamp = _stamp(url, self.private)
        note = self.unpacked.folder / "remote" / hashlib.blake2b(f"{url}\0{stamp}".encode(), digest_size=16).hexdigest()
        if stamp is not None and note.is_file():
            file = self.unpacked.path_of(note.read_text(encoding="utf-8"))
            if file is not None:
                self._count(hits=1)
                return file
        file = self.unpacked.keep(fetch(url, self.private).getvalue())
        self._count(downloads=1)
        if stamp is not None:
            write_atomically(note, lambda temporary: temporary.write_text(Path(file).name, encoding="utf-8"))
        return file

    def notes(self) -> list[str]:
        """Return a sentence that says what was fetched, if anything was."""
        if not self.downloads + self.hits:
            return []
        return [
            f"Remote pictures: {self.downloads:,} fetched, {self.hits:,} unchanged since. They are kept in "
            f"{self.unpacked.folder}."
        ]

    def _count(self, downloads: int = 0, hits: int = 0) -> None:
        with self._guard:
            self.downloads += downloads
            self.hits += hits


def _stamp(url: str, private: bool) -> str | None:
    """Ask the server for what changes with the content, without the content; None where it says no such thing."""
    try:
        if scheme_of(url) in _WEB:
            facts = {name.title(): value for name, value in web.head(url, private).items()}
            size, stamps = facts.get("Content-Length"), {name: facts[name] for name in _WEB_STAMPS if name in facts}
        else:
            system, path = require("fsspec", "remote").core.url_to_fs(url)
            info = _within_deadline(lambda: system.info(path))
            size, stamps = info.get("size"), {name: str(info[name]) for name in _STAMPS if info.get(name)}
    except Exception as error:  # whatever a server or its client does: fetching tells the reason
        refuse_out_of_files(error)
        return None
    return repr((size, sorted(stamps.items()))) if stamps else None


def to_name(path: str) -> str:
    """Write a path whose bytes are not UTF-8 as a file URL, since tables hold UTF-8; others stay as they are."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return _FILE + quote_from_bytes(os.fsencode(path))
    return path


def to_path(name: str | Path) -> str | Path:
    """Return the path that a file URL names; others stay as they are."""
    if isinstance(name, str) and name.startswith(_FILE):
        return os.fsdecode(unquote_to_bytes(name[len(_FILE) :]))
    return name


def as_written(folder: Path, name: str) -> str:
    """Return the name as the disk has it; where no file has it in UTF-8 but one has it in Latin-1, that one's."""
    if name.isascii() or "\0" in name or os.path.lexists(folder / name):
        return name
    try:
        other = os.fsdecode(name.encode("latin-1"))
        return other if os.path.lexists(folder / other) else name
    except (UnicodeEncodeError, OSError):
        return name
