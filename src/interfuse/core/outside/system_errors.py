"""What the system refuses: a full or read-only disk, too many open files; said in words, whichever library meets it."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interfuse.core.errors import OutputError

_FIXES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "Free some space, or give another place."),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "Give a place that may be used so."),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "Allow more open files: ulimit -n 4096, or fewer jobs."),
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP), "Give another path."),
    **dict.fromkeys((errno.EIO, errno.ENXIO, errno.ESTALE), "Look at the disk, or give another place."),
    errno.ENOMEM: "Free some memory.",
}
"""What is to be done, by the number of the error."""
_NO_UTF8 = "holds bytes that are not UTF-8, which libraries that write and read files need. Give another name."
_IN_WORDS = re.compile(r"\((?:os error|errno:?) (\d+)\)|\[Errno (\d+)\]")
"""How libraries that are not Python's spell the number."""


def system_error(error: BaseException) -> int | None:
    """Return the number of the system's error that this one is or tells of; None where there is none."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    words = str(error)
    match = _IN_WORDS.search(words)
    if match:
        return int(match[1] or match[2])
    return next((number for number in _FIXES if f"{os.strerror(number)} ({number})" in words), None)


def describe_system_error(error: BaseException) -> str | None:
    """Return a sentence for an error that is the machine's and not ours; None for any other."""
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return f"{error.object[:200]!r} {_NO_UTF8}"
    number = system_error(error)
    if number not in _FIXES:
        return None
    name = getattr(error, "filename", None)
    where = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else "A file"
    return f"{where} cannot be used: {os.strerror(number)}. {_FIXES[number]}"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in words that the system does not let a file or folder be written.

    Args:
        path: what is written.

    Raises:
        OutputError: the system refuses it, such as for a full disk.
    """
    try:
        yield
    except OutputError:
        raise
    except Exception as error:  # of any library that writes
        number = system_error(error)
        if number not in _FIXES:
            raise
        raise OutputError(f"{path} cannot be written: {os.strerror(number)}. {_FIXES[number]}") from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless it is there.

    Raises:
        OutputError: the system refuses it, or its name is not UTF-8.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError as error:
        raise OutputError(f"{os.fspath(path)!r} {_NO_UTF8}") from error
    try:
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be made: {error.strerror or error}. Give another place.") from error
