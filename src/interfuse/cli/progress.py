"""A progress bar with rate and time left on a terminal, plain lines in a log; always on stderr."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress
from rich.text import Text

from interfuse.cli.flags import spell_flags
from interfuse.core.outside import printable

SECONDS_BETWEEN_LINES = 10.0


class ConsoleProgress:
    """A `core.progress.Progress` for people."""

    def __init__(self, console: Console) -> None:
        """Use bars if the console is a terminal."""
        self.console = console
        self.bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            TextColumn("{task.fields[note]}", style="dim"),
            console=console,
            disable=not console.is_terminal,
        )
        self.stages: dict[str, _Stage] = {}

    def __enter__(self) -> "ConsoleProgress":
        """Begin to draw."""
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing."""
        self.bars.stop()

    def start(self, stage: str, total: int, unit: str) -> None:
        """Begin a stage."""
        task = self.bars.add_task(stage, total=total, rate="", note="")
        self.stages[stage] = _Stage(task, total, unit)

    def advance(self, stage: str, amount: int = 1, note: str = "") -> None:
        """Move the bar; in a log, write a line now and then."""
        state = self.stages[stage]
        state.done += amount
        state.note = printable(note) or state.note
        rate = f"{state.rate():,.0f} {state.unit}/s" if state.rate() >= 10 else f"{state.rate():.2g} {state.unit}/s"
        self.bars.update(state.task, advance=amount, rate=rate, note=state.note)
        now = time.monotonic()
        if not self.console.is_terminal and now - state.last_line >= SECONDS_BETWEEN_LINES:
            state.last_line = now
            left = f", {state.seconds_left():.0f} s left" if state.rate() > 0 else ""
            self.say(f"{stage}: {state.done:,} of {state.total:,} {state.unit}, {rate}{left}. {state.note}".rstrip())

    def finish(self, stage: str) -> None:
        """End a stage."""
        state = self.stages.pop(stage)
        self.bars.remove_task(state.task)
        seconds = time.monotonic() - state.start_time
        if state.done:
            self.say(f"{stage}: {state.done:,} {state.unit} in {seconds:.1f} s.")

    def say(self, message: str) -> None:
        """Write one sentence above the bars."""
        self.console.print(Text(printable(spell_flags(message), lines=True)), soft_wrap=True)


class _Stage:
    """How far one stage is."""

    def __init__(self, task: TaskID, total: int, unit: str) -> None:
        self.task, self.total, self.unit = task, total, unit
        self.done, self.note = 0, ""
        self.start_time = time.monotonic()
        self.last_line = self.start_time

    def rate(self) -> float:
        """Return the units a second so far."""
        return self.done / max(time.monotonic() - self.start_time, 1e-9)

    def seconds_left(self) -> float:
        """Return the seconds left at this rate."""
        return (self.total - self.done) / max(self.rate(), 1e-9)
