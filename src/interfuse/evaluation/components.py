"""What the variance of a mean over trainings × rows is made of, and the interval that follows from it."""

import math
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float, Int

from interfuse.core.errors import ConfigError
from interfuse.evaluation.fold_component import FoldMeans
from interfuse.evaluation.intervals import Interval, stretch, unvaried, variation

ROUNDING = 1e-9
"""A variance below this fraction of its largest part is what rounding left of zero."""
_ZERO, _ALIKE = 1e-15, 1e-12


@dataclass(frozen=True)
class Components:
    """The parts of the variance of a mean over k trainings and G groups of rows.

    The variance of the mean is `V = spread/k + by_item − rest`, with the degrees of freedom of Satterthwaite,
    `V² / ((spread/k)²/df_seeds + by_item²/df_items + rest²/((k−1) df_items))`, at least the smaller of the two dfs:
    of a sum of mean squares df is never below the least of its parts', but the one taken off can bring it near 0.
    Where V is not positive (but for rounding) the larger of the first two stands for it; `rest` where both are zero.
    """

    mean: float
    seeds: int
    groups: int
    spread: float
    """Variance of one training's mean over these rows, from training to training; 0 of a single training."""
    by_item: float
    """Part of the variance of the mean that rows make, with what they share with `rest`."""
    rest: float
    """Part that both of the others count."""
    df_seeds: float
    df_items: float
    typical: float = 0.0
    """Spread that is usual among the study's designs: degrees of freedom are counted as if there were that much, for
    where trainings agree by chance the rest of the variance would lend them far too many."""
    folds: FoldMeans | None = None
    """What each fold of a cross-validation scores; its training sets are then counted too, see `FoldMeans.widen`."""

    def interval(self, level: float = 0.95, lowest: float = -1.0, highest: float = 1.0) -> Interval:
        """Return the interval of the mean.

        Args:
            level: of the interval, a fraction.
            lowest: least value that a score can have, −1 of a difference; the interval knows it, see `stretch`.
            highest: largest value that a score can have.
        """
        if self.seeds == self.groups == 1:
            return Interval(self.mean, -np.inf, np.inf, np.inf, 0.0, 1.0, 1)
        variance, df = self.combine()
        error = math.sqrt(variance)
        if error <= _ZERO * max(1.0, abs(self.mean)):
            return unvaried(self.mean, (self.seeds, self.groups), level, (lowest, highest))
        low, high = stretch(self.mean, float(scipy.stats.t.ppf(0.5 + level / 2, df)) * error, lowest, highest)
        if not low < high:  # at a bound: what varies is nothing that these rows show
            return unvaried(self.mean, (self.seeds, self.groups), level, (lowest, highest))
        at_zero = variation(0.0, lowest, highest) / variation(self.mean, lowest, highest)
        distance = abs(self.mean) / (error * math.sqrt(at_zero)) if at_zero else math.inf
        return Interval(self.mean, low, high, error, df, float(2 * scipy.stats.t.sf(distance, df)), self.seeds)

    def combine(self) -> tuple[float, float]:
        """Return the variance of the mean and its degrees of freedom."""
        variance, df = self._over_rows_and_seeds()
        return (variance, df) if self.folds is None else self.folds.widen(variance, df)

    def _over_rows_and_seeds(self) -> tuple[float, float]:
        if self.seeds == 1 or self.groups == 1:
            return (self.by_item, self.df_items) if self.seeds == 1 else (self.spread / self.seeds, self.df_seeds)
        by_seed, df_rest = self.spread / self.seeds, (self.seeds - 1) * self.df_items
        total = by_seed + self.by_item - self.rest
        if total > ROUNDING * max(by_seed, self.by_item, self.rest):
            usual = max(by_seed, self.typical / self.seeds)
            below = usual**2 / self.df_seeds + self.by_item**2 / self.df_items + self.rest**2 / df_rest
            return total, max((total + usual - by_seed) ** 2 / below, min(self.df_seeds, self.df_items))
        larger, df = (by_seed, self.df_seeds) if by_seed >= self.by_item else (self.by_item, self.df_items)
        return (larger, df) if larger > ROUNDING * self.rest else (self.rest, df_rest)


def measure_components(
    scores: Float[np.ndarray, "seeds rows"], groups: Int[np.ndarray, " rows"] | None = None
) -> Components:
    """Part the variance of the mean of a seeds × rows matrix.

    With D_si the matrix, D̄ its mean, D̄_s, D̄_i its row and column means: `spread = Σ_s (D̄_s−D̄)²/(k−1)`; the centred
    rows D̄_i − D̄ of a group are added up, and so are the rests D_si − D̄_s − D̄_i + D̄: with the sums e_g and e_sg,
    h_g the group's part of all N rows, `by_item = Σ_g e_g² / (1−h_g) / N²` and
    `rest = Σ_sg e_sg² / (1−h_g) / (N² k(k−1))`. Centring comes before folding: else the spread of group sizes times the
    mean counts as noise. Division by 1−h_g is CR2 of an intercept alone; with groups of one size it makes the mean
    squares of the two-way layout.

    Raises:
        ConfigError: there is no row, a value is not finite, or the groups do not fit.

    Reference:
        Searle et al. 1992 for the crossed random-effects layout; Bell and McCaffrey 2002,
        https://www150.statcan.gc.ca/n1/pub/12-001-x/2002002/article/9058-eng.pdf, for few and unequal groups.
    """
    _check(scores, groups)
    table = scores.astype(np.float64)
    k, n = table.shape
    _, member, sizes = np.unique(np.arange(n) if groups is None else groups, return_inverse=True, return_counts=True)
    count, share = len(sizes), sizes / n
    mean, by_seed, by_row = table.mean(), table.mean(1), table.mean(0)
    spread = spread_of_means(by_seed)
    if count == 1:
        return Components(float(mean), k, 1, spread, 0.0, 0.0, k - 1.0, 0.0)
    weights = 1 / (1 - share) / n**2
    residue = table - by_seed[:, None] - by_row + mean
    sums = by_row - mean
    if count < n:
        sums = np.bincount(member, sums, count)
        residue = np.stack([np.bincount(member, row, count) for row in residue])
    elif groups is not None:
        weights = weights[member]
    by_item = float((weights * np.square(sums)).sum())
    rest = float((weights * np.square(residue)).sum() / (k * (k - 1))) if k > 1 else 0.0
    return Components(float(mean), k, count, spread, by_item, rest, k - 1.0, _count_df(sizes))


def spread_of_means(by_seed: Float[np.ndarray, " seeds"]) -> float:
    """Return the variance of the trainings' means; exactly 0 where they differ by rounding alone."""
    if len(by_seed) < 2 or np.ptp(by_seed) <= _ALIKE * max(1.0, float(np.abs(by_seed).max())):
        return 0.0
    return float(by_seed.var(ddof=1))


def _count_df(sizes: Int[np.ndarray, " groups"]) -> float:
    """Return the degrees of freedom of `by_item`: G − 1 of G equal groups, fewer where a few groups hold most rows.

    Satterthwaite's for the quadratic form `Σ e_g²/(1−h_g)` where rows are independent and alike: (tr M)²/tr M².
    """
    rows = float(sizes.sum())
    n, h = sizes.astype(np.float64), sizes / rows
    w = 1 / (1 - h)
    trace = float((w * n * (1 - h)).sum())
    cross = 2 * n * h - h * h * rows  # of the diagonal: what centring takes off
    squares = float((w * w * (n * n - 2 * n * cross)).sum())
    p, q, r = float((w * n * n).sum()), float((w * h * h).sum()), float((w * n * h).sum())
    squares += 2 * p * q + 2 * r * r + rows**2 * q * q - 4 * rows * r * q
    return trace**2 / squares


def _check(scores: np.ndarray, groups: np.ndarray | None) -> None:
    if scores.ndim != 2 or scores.size == 0 or not np.isfinite(scores).all():
        raise ConfigError(
            f"An interval needs finite scores (seeds, rows), at least one of each, got shape {scores.shape}."
        )
    if groups is not None and groups.shape != scores.shape[1:]:
        raise ConfigError(f"Every row has one group: {scores.shape[1]} rows were given and groups {groups.shape}.")


def mean_interval(
    scores: Float[np.ndarray, "seeds rows"],
    groups: Int[np.ndarray, " rows"] | None = None,
    level: float = 0.95,
    lowest: float = -1.0,
    highest: float = 1.0,
) -> Interval:
    """Return the interval of the mean of a seeds × rows matrix, where trainings and rows are both random.

    One seed leaves the spread over rows, for this one trained model; one group leaves the spread over seeds; a single
    number gives an interval without bounds and p = 1. Where no value differs from another, the width is what so few
    rows leave possible, see `unvaried`.

    Args:
        scores: of every row, by seed.
        groups: rows of one group are one item: those that share a picture.
        level: of the interval, a fraction.
        lowest: least value that one score can have: 0 of a score, −1 of a difference, −inf where there is none.
        highest: largest value that one score can have.

    Raises:
        ConfigError: as `measure_components`; or the level is no fraction.

    Reference:
        Satterthwaite 1946, https://doi.org/10.2307/3002019.
    """
    if not 0 < level < 1:
        raise ConfigError(f"The level of an interval is a fraction between 0 and 1, got {level}. Try 0.95.")
    return measure_components(scores, groups).interval(level, lowest, highest)
