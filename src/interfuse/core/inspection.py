"""The result of a dry run over the rows: counts, lengths, leaks and a few samples. A report reads it."""

from dataclasses import dataclass, field

LEVELS = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
"""Quantiles that are reported of a number: least, 5 %, quartiles, 95 %, largest."""


@dataclass(frozen=True)
class Spread:
    """How a number is spread over rows or files."""

    count: int
    mean: float
    quantiles: tuple[float, ...]
    """At `LEVELS`."""


NEAR_COPIES = "near-copy"
"""What a leak is called where it is pictures that differ only in encoding or size."""


@dataclass(frozen=True)
class Leak:
    """Content that stands in two splits or more."""

    what: str
    """picture, near-copy (of a picture), picture and text, or text."""
    items: int
    """Distinct pictures, pairs or texts."""
    rows: int
    example: str
    """Rows of the first of them: split and id."""

    @property
    def shared(self) -> str:
        """What two splits or more share each time."""
        return "near-copies of one picture" if self.what == NEAR_COPIES else f"the same {self.what}"

    @property
    def sentence(self) -> str:
        """What stands where, without a full stop."""
        verb = "stands" if self.items == 1 else "stand"
        subject = f"{self.items:,} {self.what} {verb}"
        if self.what == NEAR_COPIES:
            subject = f"near-copies of {self.items:,} {'picture' if self.items == 1 else 'pictures'} stand"
        return f"{subject} in two splits or more ({self.rows:,} rows; {self.example})"


@dataclass(frozen=True)
class Sample:
    """One row to look at."""

    id: str
    split: str
    text: str | None
    label: str
    thumbnail: str | None
    """The picture as a data URI; None where it is missing."""
    reason: str | None
    """Why there is no thumbnail."""


@dataclass(frozen=True)
class Inspection:
    """The result of a dry run."""

    source: str
    task: str
    rows: dict[str, int]
    """Split to rows."""
    groups: int
    labels: dict[str, dict[str, int]]
    """Class to split to rows, the most frequent first; empty for regression."""
    unlabelled: int
    """Rows of a multilabel table whose label set is empty."""
    target: dict[str, Spread]
    """Split to the spread of the number to predict, for regression."""
    missing: dict[str, dict[str, int]]
    """Modality to split to rows without it."""
    pictures: int
    """Distinct pictures by content."""
    sizes: dict[str, Spread]
    """width, height in pixels and file size in bytes, of the distinct pictures that were measured."""
    formats: dict[str, int]
    texts: int
    """Distinct texts."""
    lengths: dict[str, Spread]
    """characters and words of the rows' texts."""
    leaks: list[Leak]
    troubles: list[str]
    """The first of them in words."""
    trouble_count: int
    samples: list[Sample]
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was said aloud while the rows were read."""
