"""The processes that share a work: which one this is, what they do at Ctrl-C, and that none outlives its parent."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from typing import Any, NamedTuple

_PR_SET_PDEATHSIG = 1


class World(NamedTuple):
    """Which of how many processes this is."""

    rank: int = 0
    """From 0."""
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and tells."""
        return self.rank == 0


def launched() -> World:
    """Return rank and world size as torchrun set them; one process where it did not."""
    return World(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Ignore Ctrl-C for a moment; a process that is started meanwhile ignores it for good, and is ended by its parent.

    A terminal sends Ctrl-C to every process of the command, and each would end with a traceback of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def is_running(number: int) -> bool:
    """Whether there is a process of this number."""
    if sys.platform == "win32":
        return True  # a signal of 0 would end it there
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True  # it is there and another user's
    return True


@contextmanager
def unwound_on_termination() -> Iterator[None]:
    """Let a termination signal end this block as an exception does, so that what it began is cleared away."""

    def leave(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Lifeline:
    """Pickled to a worker before all else: the worker is tied to its parent while it is still importing."""

    def __reduce__(self) -> tuple[Callable[[int], "Lifeline"], tuple[int]]:
        """Return what the worker calls."""
        return tie_to_parent, (os.getpid(),)


def tie_to_parent(parent: int) -> Lifeline:
    """Have the system end this process when its parent ends; at once, where the parent is gone already.

    Args:
        parent: process number of the one that wants to be outlived by nobody.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if not is_running(parent):
            os._exit(1)
    return Lifeline()


def begin_worker(lifeline: Lifeline, start: Callable[..., None], *args: Any) -> None:  # noqa: ARG001  (see its class)
    """Begin a worker process: watch its parent, where the system does not, and start."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start(*args)


def _end_with_parent() -> None:
    """End this worker where its parent was killed: it would train on, unseen, in the folders of the next start."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
