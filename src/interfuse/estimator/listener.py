"""A progress callback that keeps a workflow's messages, passes them on, and warns of rows in trouble."""

import warnings

from interfuse.core.progress import Progress, Silent
from interfuse.data import LEFT_OUT, MISSING_IMAGE


class Listener:
    """A `Progress` that passes everything on and keeps the messages."""

    def __init__(self, inner: Progress | None) -> None:
        """Listen for `inner`, or for nobody else."""
        self.inner = inner or Silent()
        self.messages: list[str] = []

    def start(self, stage: str, total: int, unit: str) -> None:
        """Begin a stage."""
        self.inner.start(stage, total, unit)

    def advance(self, stage: str, amount: int = 1, note: str = "") -> None:
        """Pass on that more units are done."""
        self.inner.advance(stage, amount, note)

    def finish(self, stage: str) -> None:
        """End a stage."""
        self.inner.finish(stage)

    def say(self, message: str) -> None:
        """Keep one sentence and pass it on."""
        self.messages.append(message)
        self.inner.say(message)

    def warn(self) -> None:
        """Warn of warnings and of rows in trouble, as Python code expects to be told."""
        for message in self.messages:
            if message.startswith("warning:") or MISSING_IMAGE in message or LEFT_OUT in message:
                warnings.warn(message.removeprefix("warning: "), UserWarning, stacklevel=4)
