"""How a workflow tells how far it is, without knowing who watches."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """A watcher of long work: a bar on a terminal, lines in a log, or nobody."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """Begin a stage of `total` units (rows, pictures, steps, runs)."""

    def advance(self, stage: str, amount: int = 1, note: str = "") -> None:
        """Tell that `amount` more units are done; `note` is shown beside the bar."""

    def finish(self, stage: str) -> None:
        """End a stage."""

    def say(self, message: str) -> None:
        """Tell one sentence that must be read."""


class Silent:
    """A `Progress` that tells nobody."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """Do nothing."""

    def advance(self, stage: str, amount: int = 1, note: str = "") -> None:
        """Do nothing."""

    def finish(self, stage: str) -> None:
        """Do nothing."""

    def say(self, message: str) -> None:
        """Do nothing."""
