"""Opening a file that somebody else named: a regular one of a sane size, never waited for and never read to no end."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from interfuse.core.errors import DataError, OutOfFilesError
from interfuse.core.outside.system_errors import system_error

_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))


class OddFileError(DataError):
    """A file is none that is read; the message is the reason alone."""


@contextmanager
def open_regular_file(path: str | Path, max_bytes: int | None = None) -> Iterator[BufferedReader]:
    """Open a regular file and never wait for it: a pipe, a device and a folder are refused, and none is read.

    What is looked at is what is opened: the kind and the size are those of the open file.

    Args:
        path: the file.
        max_bytes: the largest that is opened; none: any.

    Raises:
        OddFileError: it is no regular file, is empty, or has more than `max_bytes`.
        OutOfFilesError: this process may open no more files.
        OSError: it cannot be opened.
    """
    _refuse_odd(os.stat(path), max_bytes)  # opening a device may already do something
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        refuse_out_of_files(error)
        raise
    with os.fdopen(descriptor, "rb") as file:
        _refuse_odd(os.fstat(file.fileno()), max_bytes)  # it may be another file by now
        yield file


def check_regular_file(path: Path, max_bytes: int | None = None) -> None:
    """Refuse what cannot be read as a file, before a library that would wait for it opens it.

    Raises:
        DataError: it is not there, no regular file, empty, or has more than `max_bytes`.
    """
    try:
        with open_regular_file(path, max_bytes):
            pass
    except OutOfFilesError:
        raise
    except OddFileError as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def refuse_out_of_files(error: BaseException) -> None:
    """Turn an error of the system that says that too many files are open into our own; others pass.

    Raises:
        OutOfFilesError: it is that one.
    """
    if system_error(error) in (errno.EMFILE, errno.ENFILE):
        raise OutOfFilesError(
            "Too many files are open for this process. Allow more: ulimit -n 4096, or fewer jobs."
        ) from error


def _refuse_odd(status: os.stat_result, max_bytes: int | None) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise OddFileError("it is a folder, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise OddFileError("it is a pipe or a device, not a regular file")
    if status.st_size == 0:  # so are the files of /proc, whose reading may wait
        raise OddFileError("the file is empty")
    if max_bytes is not None and status.st_size > max_bytes:
        raise OddFileError(f"the file has {status.st_size:,} bytes, more than the limit of {max_bytes:,}")


def check_inside(folder: Path, name: object) -> None:
    """Refuse a name in an index that leads outside the index's folder.

    Args:
        folder: of the index.
        name: as the index has it.

    Raises:
        DataError: it is no name, or leads outside.
    """
    text = name if isinstance(name, str) else ""
    place = os.path.normpath(text.replace("\\", "/"))
    if not text or "\0" in text or os.path.isabs(place) or place.split("/")[0] in ("..", "."):
        raise DataError(
            f"{folder} has an index that names {str(name)[:80]!r}, which lies elsewhere. Take it from a copy."
        )
