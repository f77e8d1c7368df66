"""Writing a file so that a reader sees the old one or the new one, never a part; reading only what is whole."""

import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from interfuse.core.errors import DataError, OutputError
from interfuse.core.outside import system_error
from interfuse.core.settings import fingerprint

CHECKSUM = "checksum"
"""Key under which a JSON object of ours keeps the hash of all its other values."""
LARGEST_JSON = 1 << 29
"""Bytes of the largest JSON file that is read."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, flush it to disk, then rename it over `path`.

    Who may read it follows the umask, as for any new file.

    Raises:
        OutputError: the system refuses it, such as for a full disk; `path` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.touch()
            mode = temporary.stat().st_mode & 0o777
            write(temporary)
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            if temporary.stat().st_mode & 0o777 != mode:  # a writer may put a private file in its place
                temporary.chmod(mode)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OutputError:
        raise
    except Exception as error:  # of whichever library writes
        number = system_error(error)
        if isinstance(error, UnicodeEncodeError):
            reason = "its name, or what it is to hold, is not UTF-8"
        elif number is None and not isinstance(error, OSError):
            raise
        else:
            reason = os.strerror(number) if number is not None else str(error) or type(error).__name__
        raise OutputError(f"{path} cannot be written: {reason}. Give another place, or free some space.") from error


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, an object with its checksum; NaN and infinity are refused, since JSON has neither."""
    text = _dump(value)
    if isinstance(value, dict):
        text = _dump({**value, CHECKSUM: fingerprint(json.loads(text))})
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> Any:
    """Read a JSON file; an object that carries a checksum must agree with it, and is returned without it.

    Raises:
        DataError: it is no JSON, or was damaged after it was written.
    """
    size = path.stat().st_size
    if size > LARGEST_JSON:
        raise DataError(f"{path} has {size:,} bytes; a record has {LARGEST_JSON:,} at most. Give another copy.")
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text, parse_constant=_refuse_constant)
        if _SURROGATE.search(text):
            for part in _texts(value):
                part.encode()
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON that can be read: {type(error).__name__}: {error}.") from error
    if isinstance(value, dict) and CHECKSUM in value:
        checksum = value.pop(CHECKSUM)
        if checksum != fingerprint(value):
            raise DataError(
                f"{path} is not as it was written: its content does not fit its checksum. Take it from a copy, or make "
                f"it again; after a change by hand remove the entry {CHECKSUM!r}."
            )
    return value


def _dump(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number that JSON has")


def _texts(value: Any) -> Iterator[str]:
    """Walk over all texts of a JSON value, the keys included."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            stack += [*one, *one.values()]
        elif isinstance(one, list):
            stack += one
