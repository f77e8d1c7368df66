"""Locks between processes: a file that one of them holds; the system lets go of it when the holder dies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: no locks; two writers then cost time and a second copy, never a wrong token
    fcntl = None  # type: ignore[assignment]


class Claim:
    """A piece of work that one process has taken; its file goes when the work is done."""

    def __init__(self, path: Path) -> None:
        """Name the file."""
        self.path = path
        self._handle: int | None = None

    def take(self) -> bool:
        """Take it, unless another process has it."""
        if fcntl is None:
            return True
        while True:
            try:
                self.path.parent.mkdir(exist_ok=True)
                handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError:
                return True  # a folder that cannot hold the file: go without
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
            except OSError:
                os.close(handle)
                return True  # a file system without locks
            if os.fstat(handle).st_nlink:
                self._handle = handle
                return True
            os.close(handle)  # its holder has just removed it

    def release(self) -> None:
        """Let go of it."""
        if self._handle is not None:
            with suppress(OSError):
                self.path.unlink()
            os.close(self._handle)
            self._handle = None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of this file, waiting for whoever has it."""
    if fcntl is None:
        yield
        return
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
