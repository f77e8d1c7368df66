"""The interval of a design, or of a difference, over splits that are drawn anew, each with a seed of its own."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from interfuse.core.errors import ConfigError
from interfuse.evaluation.components import Components
from interfuse.evaluation.intervals import Interval

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Resplit:
    """A design's test score in each repetition: another split of the rows, and another seed."""

    own: Float[np.ndarray, " repetitions"]
    test_share: float
    """Rows that a repetition tests, a fraction of all rows; the others are what its training sees."""

    def __post_init__(self) -> None:
        """Refuse a single repetition, and a share that leaves none to test or to train on."""
        if len(self.own) < 2:
            raise ConfigError(f"An interval over splits needs two of them or more, got {len(self.own)}.")
        if not 0 < self.test_share < 1:
            raise ConfigError(f"The share of test rows is a fraction between 0 and 1, got {self.test_share}.")

    def __sub__(self, other: "Resplit") -> "Resplit":
        """Return the paired difference; both were split alike."""
        return Resplit(self.own - other.own, self.test_share)

    def first(self, seeds: int) -> "Resplit":
        """Return the first repetitions alone."""
        return Resplit(self.own[:seeds], self.test_share)

    def components(self) -> Components:
        """Return the parts of the variance of the mean, which is that of the corrected resampled t interval.

        With m_r the score of repetition r of R, s² their variance, n₂ rows in a test set and n₁ outside it (validation
        is outside: it decides when a training stops):
        `V = (1/R + n₂/n₁) s²`, df = R − 1. The repetitions share rows, so their mean is less sure than s²/R says.

        In simulation with 5 and 10 repetitions 95 % intervals cover 94 to 98 %, where s²/R alone covers 78 to 91 %.

        Raises:
            ConfigError: a score is not finite, as that of a metric which is undefined on some split.

        Reference:
            Nadeau and Bengio 2003, https://doi.org/10.1023/A:1024068626366, section 5.3.
        """
        if not np.isfinite(self.own).all():
            raise ConfigError("The metric is undefined on the test rows of a split: too few rows of some class.")
        repetitions, mean = len(self.own), float(self.own.mean())
        variance = float(self.own.var(ddof=1))
        if variance <= (_ROUNDING * max(1.0, abs(mean))) ** 2:
            variance = 0.0
        spread = variance * (1 + repetitions * self.test_share / (1 - self.test_share))
        return Components(mean, repetitions, 1, spread, 0.0, 0.0, repetitions - 1.0, 0.0)

    def interval(self, level: float = 0.95, lowest: float = -math.inf, highest: float = math.inf) -> Interval:
        """Return the interval of the mean.

        Where no repetition differs from another, or only by rounding, nothing bounds what was missed: no width, and p
        is 1 of a mean of 0, else 0.

        Args:
            level: of the interval.
            lowest: least value that a score can have.
            highest: largest value that a score can have.

        Raises:
            ConfigError: as `components`.
        """
        parts = self.components()
        if parts.spread == 0:
            lowest, highest = -math.inf, math.inf
        return parts.interval(level, lowest, highest)
