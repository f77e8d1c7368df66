"""The record of a diagnosis: what `interfuse diagnose` leaves on disk and what its page reads."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Value:
    """One number of a measure."""

    name: str
    value: float
    unit: str = "points"
    """points (a fraction 0 to 1, shown times 100), share (likewise, in %), bits, nats, or empty for a plain number."""
    low: float | None = None
    """Of the 95 % interval over rows, for this one trained model, or of what `name` says; None where there is none."""
    high: float | None = None


@dataclass(frozen=True)
class Measure:
    """One measure: its numbers and what they say in words."""

    key: str
    title: str
    verdict: str
    """What this model's numbers say."""
    meaning: str
    """What the measure is and how it may not be read."""
    values: tuple[Value, ...]
    rows: int
    """Rows that it was measured on."""
    notes: tuple[str, ...] = ()
    """Doubts that must be read with the numbers."""
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Name to points (x, y), where the measure is a curve; fractions 0 to 1."""


@dataclass(frozen=True)
class Example:
    """A row that is right with both modalities and wrong with either alone."""

    row: int
    """Row number in the source."""
    id: str
    text: str | None
    label: str
    image_answer: str
    """What the model answers with the image alone."""
    text_answer: str
    """What the model answers with the text alone."""
    image: str | None = None
    """File name of the picture, where the rows have one."""


@dataclass(frozen=True)
class Diagnosis:
    """All that is known of one trained network's use of its two modalities."""

    run: str
    """Name of the run's folder, or of the design in its study."""
    design: str
    fusion: str
    seed: int
    source: str
    split: str
    metric: str
    verdict: str
    """The headline, in words."""
    measures: tuple[Measure, ...]
    examples: tuple[Example, ...]
    notes: tuple[str, ...]
    """What was decided on the way and must be said aloud."""
    seconds: float
    version: str

    def measure(self, key: str) -> Measure:
        """Find a measure by its key.

        Args:
            key: as `emap`, `shapley` or `calibration`.
        """
        return next(measure for measure in self.measures if measure.key == key)

    def plain(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)
