"""The quarantine file: every row in trouble with its reason, beside what a command writes."""

from collections.abc import Sequence
from pathlib import Path

from interfuse.core.progress import Progress
from interfuse.core.settings import fingerprint
from interfuse.data import Trouble, write_troubles
from interfuse.training import processes
from interfuse.workflows.encode import WHOLE, Portion
from interfuse.workflows.source import Source

FILE = "quarantine.csv"


def place_in_store(source: Source, portion: Portion = WHOLE) -> Path:
    """Name the file of a command that writes nothing but tokens: in the store, by DATA's name and its hash."""
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
    if not processes.launched().leads:
        return
    if troubles:
        write_troubles(troubles, path)
        progress.say(f"{len(troubles):,} rows in trouble are listed in {path}.")
    elif path.is_file():
        path.unlink()
