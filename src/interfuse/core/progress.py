"""The progress callback: how a workflow reports how far it is, without knowing who watches."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Progress(Protocol):
    """Callback of long work: a bar on a terminal, lines in a log, or nobody."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """Begin a stage of `total` units (rows, pictures, steps, runs)."""

    def advance(self, stage: str, amount: int = 1, note: str = "") -> None:
        """Report that `amount` more units are done; `note` is shown beside the bar."""

    def finish(self, stage: str) -> None:
        """End a stage."""

    def say(self, message: str) -> None:
        """Report one sentence that must be read."""


class Silent:
    """A `Progress` that reports to nobody."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """Do nothing."""

    def advance(self, stage: str, amount: int = 1, note: str = "") -> None:
        """Do nothing."""

    def finish(self, stage: str) -> None:
        """Do nothing."""

    def say(self, message: str) -> None:
        """Do nothing."""
