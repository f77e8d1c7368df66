"""What a study could have seen, and what more seeds or rows would show: from the parts of a difference's variance."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import scipy

from interfuse.evaluation.components import Components

POWER = 0.8
MOST_SEEDS, MOST_ROWS = 1000, 10_000_000
"""Beyond these nobody goes: a count above is called none."""


@dataclass(frozen=True)
class Precision:
    """How the variance of a mean depends on seeds and rows: `seeds/k + rows/n + both/(kn)`."""

    seeds: float
    """Variance of a training's true mean, from training to training."""
    rows: float
    """Variance of a row's true mean, from row to row (groups folded), times one row."""
    both: float
    """What is new in every row of every training."""
    rows_a_group: float = 1.0
    """Test rows that share a picture."""
    further_df: float = 0.0
    """Trainings that the knowledge of the other designs' spread is worth."""

    @classmethod
    def of(cls, components: Components, rows: int) -> "Precision":
        """Return what the components of a study's contrast say.

        Args:
            components: of the difference.
            rows: test rows of the study.
        """
        k, per_group = components.seeds, rows / components.groups
        if k == 1:
            return cls(0.0, components.by_item * rows, 0.0, per_group)
        by_row = max(0.0, components.by_item - components.rest) * rows
        by_seed = max(0.0, components.spread - components.rest * k)
        return cls(by_seed, by_row, components.rest * k * rows, per_group, components.df_seeds - (k - 1))

    def error(self, seeds: int, rows: int) -> float:
        """Return the standard error of the mean over so many seeds and rows."""
        return math.sqrt(self.seeds / seeds + self.rows / rows + self.both / (seeds * rows))

    def detectable(self, seeds: int, rows: int, alpha: float = 0.05, power: float = POWER) -> float:
        """Return the smallest true difference that is found with this power, a fraction.

        Args:
            seeds: of each design.
            rows: of test.
            alpha: of the two-sided t test.
            power: chance to find it, by the noncentral t distribution.
        """
        df, error = self._df(seeds, rows), self.error(seeds, rows)
        critical = float(scipy.stats.t.isf(alpha / 2, df))
        if not error:
            return 0.0
        size = scipy.optimize.brentq(
            lambda ratio: scipy.stats.nct.sf(critical, df, ratio) - power, 0.0, 4 * critical + 20
        )
        return float(size) * error

    def seeds_for(self, difference: float, rows: int, alpha: float = 0.05, power: float = POWER) -> int | None:
        """Return how many seeds it takes to find a difference on so many rows; None where no number does.

        Args:
            difference: to find, a fraction.
            rows: of test.
            alpha: of the two-sided test.
            power: chance to find it.
        """
        return _first(lambda seeds: self.detectable(seeds, rows, alpha, power) <= difference, 2, MOST_SEEDS)

    def rows_for(self, difference: float, seeds: int, alpha: float = 0.05, power: float = POWER) -> int | None:
        """Return how many rows it takes to find a difference with so many seeds; None where no number does.

        Args:
            difference: to find, a fraction.
            seeds: of each design.
            alpha: of the two-sided test.
            power: chance to find it.
        """
        return _first(lambda rows: self.detectable(seeds, rows, alpha, power) <= difference, 10, MOST_ROWS)

    def _df(self, seeds: int, rows: int) -> float:
        groups, total = max(2.0, rows / self.rows_a_group), self.error(seeds, rows) ** 2
        if total <= 0 or seeds < 2:
            return groups - 1
        by_seed, by_row = (self.seeds + self.both / rows) / seeds, (self.rows + self.both / seeds) / rows
        rest, df_seeds = self.both / (seeds * rows), seeds - 1 + self.further_df
        below = by_seed**2 / df_seeds + by_row**2 / (groups - 1) + rest**2 / ((seeds - 1) * (groups - 1))
        return max(total**2 / below, min(df_seeds, groups - 1.0))


@dataclass(frozen=True)
class PrecisionRange:
    """What a pilot knows of a precision: its estimate, and how good and how bad it may be."""

    estimate: Precision
    best: Precision
    worst: Precision

    @classmethod
    def of(cls, components: Components, rows: int, level: float = 0.9) -> "PrecisionRange":
        """Return the range of a study's contrast: each part by its own chi-squared interval.

        Args:
            components: of the difference.
            rows: test rows of the study.
            level: of each part's interval.
        """
        low, high = (1 - level) / 2, (1 + level) / 2
        best, worst = (
            replace(
                components,
                spread=components.spread * _chi_factor(components.df_seeds, tail),
                by_item=components.by_item * _chi_factor(components.df_items, tail),
            )
            for tail in (high, low)
        )
        return cls(*(Precision.of(parts, rows) for parts in (components, best, worst)))


def _chi_factor(df: float, tail: float) -> float:
    """Return what a variance that was estimated with so many degrees of freedom is times, at this end of its range."""
    return float(df / scipy.stats.chi2.ppf(tail, df)) if df > 0 else 1.0


def _first(enough: Callable[[int], bool], least: int, most: int) -> int | None:
    """Return the least count from which on it is enough, by bisection; None where the most is not."""
    if not enough(most):
        return None
    low, high = least - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
