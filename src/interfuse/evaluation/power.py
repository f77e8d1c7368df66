"""What a study could have seen, and what more seeds or rows would show: from the parts of a difference's variance."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.stats import t as student

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
    row_count: int
    """Rows of the study that this comes from."""
    groups: int
    """Their groups."""

    @classmethod
    def of(cls, components: Components, rows: int) -> "Precision":
        """Return what the components of a study's contrast say.

        Args:
            components: of the difference.
            rows: test rows of the study.
        """
        k = components.seeds
        both = components.rest * k * rows
        by_row = max(0.0, components.by_item - components.rest) * rows
        if k == 1:
            return cls(0.0, components.by_item * rows, 0.0, rows, components.groups)
        return cls(max(0.0, components.spread - components.rest * k), by_row, both, rows, components.groups)

    def error(self, seeds: int, rows: int) -> float:
        """Return the standard error of the mean over so many seeds and rows."""
        return math.sqrt(self.seeds / seeds + self.rows / rows + self.both / (seeds * rows))

    def detectable(self, seeds: int, rows: int, alpha: float = 0.05, power: float = POWER) -> float:
        """Return the smallest true difference that is found with this power, a fraction.

        Args:
            seeds: of each design.
            rows: of test.
            alpha: of the two-sided test.
            power: chance to find it.
        """
        df = self._df(seeds, rows)
        return float((student.ppf(1 - alpha / 2, df) + student.ppf(power, df)) * self.error(seeds, rows))

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
        groups = max(2.0, self.groups * rows / self.row_count)
        by_seed, by_row = (self.seeds + self.both / rows) / seeds, (self.rows + self.both / seeds) / rows
        rest, total = self.both / (seeds * rows), self.error(seeds, rows) ** 2
        if total <= 0 or seeds < 2:
            return groups - 1
        below = by_seed**2 / (seeds - 1) + by_row**2 / (groups - 1) + rest**2 / ((seeds - 1) * (groups - 1))
        return max(total**2 / below, min(seeds, groups) - 1.0)


def _first(enough: Callable[[int], bool], least: int, most: int) -> int | None:
    """Return the least count from which on it is enough, by bisection; None where the most is not."""
    if not enough(most):
        return None
    low, high = least - 1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
