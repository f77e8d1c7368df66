"""Missing modality: the score when a growing part of the rows lacks one of the two."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from interfuse.core.errors import ConfigError

FRACTIONS = tuple(step / 10 for step in range(11))


@dataclass(frozen=True)
class MissingPoint:
    """The score when some rows lack the modality."""

    fraction: float
    """Part of the rows without it, 0 to 1."""
    score: float
    """Mean over every choice of which rows lack it."""
    spread: float
    """Standard deviation over these choices."""


def missing_curve(
    present: Float[np.ndarray, " rows"],
    absent: Float[np.ndarray, " rows"],
    fractions: tuple[float, ...] = FRACTIONS,
) -> list[MissingPoint]:
    """Score with 0, 10, …, 100 % of one modality absent; exact, for a row's score does not depend on other rows.

    With `d = absent − present` and m = round(f·n) rows drawn without replacement: mean `(n·p̄ + m·d̄)/n`, variance
    `m (n − m) / (n² (n − 1)) · Σ (d − d̄)² / n`.

    Args:
        present: score of each row with the modality; a row that lacks it in the data counts as it is.
        absent: score of each row without it.
        fractions: parts of the rows, 0 to 1.

    Raises:
        ConfigError: a score is not finite, there is no row, or a fraction is not from 0 to 1.
    """
    if present.shape != absent.shape or not len(present) or not np.isfinite([present, absent]).all():
        raise ConfigError(f"Give one finite score a row with and without: got {present.shape} and {absent.shape}.")
    if not all(0 <= fraction <= 1 for fraction in fractions):
        raise ConfigError(f"Parts of the rows are fractions from 0 to 1, got {fractions}.")
    rows, change = len(present), (absent - present).astype(np.float64)
    points = []
    for fraction in fractions:
        lacking = round(fraction * rows)
        variance = lacking * (rows - lacking) / (rows**2 * max(rows - 1, 1)) * float(change.var())
        mean = float(present.mean()) + lacking / rows * float(change.mean())
        points.append(MissingPoint(lacking / rows, mean, float(np.sqrt(variance))))
    return points
