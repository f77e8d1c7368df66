"""What a comparison could see with so many seeds and test rows: the record of a plan."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ForecastCell:
    """One choice of seeds and test rows; differences are fractions."""

    seeds: int
    rows: int
    detectable: float
    """Smallest true difference that is found with the power asked for."""
    best: float
    """The same if the pilot was unlucky in what it measured of spreads."""
    worst: float
    """The same if it was lucky."""
    hours: float | None = None
    """Training of the two designs, at the pace of the pilot, one after another; None where nothing was measured."""


@dataclass(frozen=True)
class Forecast:
    """A plan for one contrast of two designs."""

    subject: str
    """What is contrasted, and where the spreads come from."""
    difference: float
    """That is to be found, a fraction."""
    power: float
    cells: list[ForecastCell]
    seeds_needed: tuple[int | None, int | None]
    """Seeds that find the difference on `rows` test rows, at best and at worst; None: no number does."""
    rows_needed: tuple[int | None, int | None]
    """Test rows that find it with `seeds` seeds, at best and at worst."""
    seeds: int
    rows: int
    """What there is now."""
    notes: list[str] = field(default_factory=list)
