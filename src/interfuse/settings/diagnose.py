"""How much a diagnosis looks at."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DiagnoseSettings:
    """How much to look at."""

    rows: int = 300
    """Rows whose pairs are all computed; their number is squared."""
    on: str | None = None
    """Split that is looked at: test, validation, train or all; none: the first of test, validation and all there is."""
    seed: int = 0
    """Of the splits that are made, of what is drawn from the rows, and of one training."""
    threads: int = 2
    """CPU threads, of each training where several run side by side."""
