"""Rows in trouble: said aloud, and listed in the quarantine file beside what a command writes."""

from collections.abc import Sequence
from pathlib import Path

from interfuse.core.processes import launched
from interfuse.core.progress import Progress
from interfuse.core.settings import fingerprint
from interfuse.data import Examples, Trouble, find_leaks, write_troubles
from interfuse.settings import WHOLE, Portion
from interfuse.workflows.source.source import Source

FILE = "quarantine.csv"
MOST_KINDS = 8
"""Most kinds of trouble that are said aloud, the most frequent first."""


def place_in_store(source: Source, portion: Portion = WHOLE) -> Path:
    """Return the quarantine file of a command that writes only tokens: in the store, by DATA's name and its hash."""
    data = source.data if isinstance(source.data, str | Path) else "data frame"
    part = "" if portion.of == 1 else f"-{portion.number}-of-{portion.of}"
    name = Path(str(data)).stem.rpartition(":")[2] or "rows"
    return Path(source.encode.store) / "quarantine" / f"{name[:40]}-{fingerprint(str(data))[:8]}{part}.csv"


def keep_troubles(troubles: Sequence[Trouble], path: Path, progress: Progress) -> None:
    """Write the file and say so; where there is no trouble, a file of an earlier run is removed.

    Of the processes that torchrun started, which all find the same, the first writes.

    Raises:
        OutputError: it cannot be written.
    """
    if not launched().leads:
        return
    if troubles:
        write_troubles(troubles, path)
        progress.say(f"{len(troubles):,} rows in trouble are listed in {path}.")
    elif path.is_file():
        path.unlink()


def report_troubles(examples: Examples, progress: Progress) -> None:
    """Say aloud what was decided about the rows, and the most frequent kinds of trouble with the first row of each."""
    for note in examples.notes:
        progress.say(note)
    kinds: dict[tuple[str, str, str], list[Trouble]] = {}
    for trouble in examples.troubles:
        kinds.setdefault((trouble.what, trouble.reason.partition(":")[0], trouble.consequence), []).append(trouble)
    for alike in sorted(kinds.values(), key=len, reverse=True)[:MOST_KINDS]:
        first = alike[0]
        progress.say(f"{len(alike):,} × {first.consequence}; the first: row {first.row} ({first.id}): {first.reason}.")
    if len(kinds) > MOST_KINDS:
        progress.say(f"{len(kinds) - MOST_KINDS:,} rarer kinds of trouble besides.")


def report_failures(examples: Examples, left: Examples, progress: Progress) -> None:
    """Say aloud which rows lost a picture or text in encoding."""
    for trouble in left.troubles[len(examples.troubles) :]:
        progress.say(f"Row {trouble.row} ({trouble.id}): {trouble.reason}; {trouble.consequence}.")


def report_leaks(examples: Examples, progress: Progress) -> None:
    """Say aloud what stands in two splits or more; a text may well go with many pictures, a picture may not."""
    for leak in find_leaks(examples):
        if leak.what == "text":
            progress.say(f"{leak.sentence}: of these, test asks nothing new about the text.")
        else:
            progress.say(f"warning: a leak: {leak.sentence}. Test scores flatter.")
