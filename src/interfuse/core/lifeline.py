"""Worker processes that end with the process that started them, however that one ends."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from typing import Any

_PR_SET_PDEATHSIG = 1


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
