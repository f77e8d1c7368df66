"""The processes that share a work: which one this is, and what they do at Ctrl-C."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


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
