"""Intervals of metrics that are no mean over examples (AUC, macro F1, mAP): groups are bootstrapped, seeds crossed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Num

from interfuse.core.errors import ConfigError
from interfuse.evaluation.bootstrap_metrics import Weighted
from interfuse.evaluation.components import Components, spread_of_means
from interfuse.evaluation.fold_component import FoldMeans
from interfuse.evaluation.fold_metric import FoldMetric
from interfuse.evaluation.intervals import Interval

Metric = Callable[[np.ndarray, np.ndarray], float]
"""Predictions and labels of some rows to one number; the mean of nothing is never asked for."""
CELLS = 2**16
"""Weights of resamples that a metric is asked for at once: more leave the processor's cache."""
Predictions = Float[np.ndarray, "_ _"] | Float[np.ndarray, "_ _ _"]
"""(seeds, rows) or (seeds, rows, classes); what does not fit gets an error that says so."""


@dataclass(frozen=True)
class Resampling:
    """How to bootstrap."""

    draws: int = 300
    """Resamples of the groups."""
    seed: int = 0
    """Of the draws."""
    level: float = 0.95
    """Of the interval, a fraction."""


def bootstrap_interval(
    metric: Metric,
    predictions: Predictions,
    labels: Num[np.ndarray, "..."],
    groups: Int[np.ndarray, " _"] | None = None,
    rival: Predictions | None = None,
    how: Resampling | None = None,
) -> Interval:
    """Interval of a metric, or of its difference between two designs, over examples and seeds.

    Every resample draws whole groups and is scored on all seeds of both designs, so rows and seeds stay paired. With
    m_s the metric (or difference) of seed s, k seeds, G groups, var* over resamples times G/(G − 1): `Components` has
    `spread = var_s(m_s)`, `by_item = var*(mean_s m_s)` and `rest = max(0, mean_s var*(m_s) − by_item)/(k − 1)`. For a
    mean over rows this is `mean_interval`, up to the noise of the draws. One seed leaves `by_item`, for that one
    trained model.

    Args:
        metric: predictions and labels of some rows to a number; a resample where it gives NaN or raises ValueError
            (an AUC of one class) is drawn again.
        predictions: of the design, a matrix for each seed.
        labels: of the rows.
        groups: rows that are drawn together; none: each row alone.
        rival: predictions of the design to compare with, same seeds and rows.
        how: draws, seed and level.

    Raises:
        ConfigError: shapes do not fit, there is one group only, or the metric is undefined on nearly every resample.

    Reference:
        Owen 2007, https://arxiv.org/abs/0712.1111, shows that drawing
        rows and seeds both from one bootstrap counts V_e three times.
    """
    how = how or Resampling()
    sides = [predictions] if rival is None else [predictions, rival]
    members = _check(sides, labels, groups)
    everything = np.arange(len(labels))
    own = _score(metric, sides, labels, everything)
    if own is None:
        raise ConfigError("The metric is not defined on these rows: it gives no finite number.")
    draws = _resample(metric, sides, labels, members, how)
    return Drawn(own, draws, len(members)).interval(how.level)


@dataclass(frozen=True)
class Drawn:
    """A metric of one design on all rows and on resamples of their groups; the same resamples for every design."""

    own: Float[np.ndarray, " seeds"]
    draws: Float[np.ndarray, "draws seeds"]
    groups: int
    by_fold: Float[np.ndarray, "seeds folds"] | None = None
    """What each fold scores, by seed; none where there is one split, or no two folds where the metric is defined."""

    def __sub__(self, other: "Drawn") -> "Drawn":
        """Return the paired difference."""
        by_fold = None
        if self.by_fold is not None and other.by_fold is not None:
            by_fold = self.by_fold - other.by_fold
        return Drawn(self.own - other.own, self.draws - other.draws, self.groups, by_fold)

    def first(self, seeds: int) -> "Drawn":
        """Return the metric of the first seeds alone."""
        by_fold = None if self.by_fold is None else self.by_fold[:seeds]
        return Drawn(self.own[:seeds], self.draws[:, :seeds], self.groups, by_fold)

    def components(self) -> Components:
        """Return the parts of the metric's variance; resamples where it is undefined are left out.

        Over folds what their training sets add is counted too.

        Raises:
            ConfigError: it is undefined on these rows, or on most resamples.
        """
        draws = self.draws[np.isfinite(self.draws).all(1)]
        if not np.isfinite(self.own).all() or len(draws) < max(2, len(self.draws) / 2):
            raise ConfigError("The metric is undefined on most resamples: too few rows of some class.")
        folds = None if self.by_fold is None else FoldMeans(self.by_fold.mean(0))
        return replace(measure_draws(self.own, draws, self.groups), folds=folds)

    def interval(self, level: float = 0.95, lowest: float = -math.inf, highest: float = math.inf) -> Interval:
        """Return the interval of `bootstrap_interval`, between the bounds of the metric.

        Raises:
            ConfigError: as `components`.
        """
        parts = self.components()
        if parts.combine()[0] == 0 and parts.mean not in (lowest, highest):
            lowest, highest = -math.inf, math.inf  # 0.5 on every resample is what a constant answer's AUC is
        return parts.interval(level, lowest, highest)


def draw_metric(seeds: Sequence[Weighted | FoldMetric], weights: Float[np.ndarray, "draws rows"], groups: int) -> Drawn:
    """Ask each seed's metric for all rows and for every resample.

    Args:
        seeds: the metric of each seed's predictions, of all folds where there are several.
        weights: from `draw_weights`, the same for every design that is to be compared.
        groups: how many groups the rows have.
    """
    ones = np.ones(weights.shape[1])
    own = np.array([metric(ones) for metric in seeds])
    folds = [metric.by_fold(ones) for metric in seeds if isinstance(metric, FoldMetric)]
    values = np.array(folds) if folds else np.empty((0, 0))
    values = values[:, np.isfinite(values).all(0)]
    by_fold = values if values.shape[1] > 1 else None
    pieces = np.split(weights, range(size := max(1, CELLS // len(ones)), len(weights), size))
    draws = np.stack([np.concatenate([metric(piece) for piece in pieces]) for metric in seeds], axis=1)
    return Drawn(own, draws, groups, by_fold)


def draw_weights(groups: Int[np.ndarray, " rows"], how: Resampling | None = None) -> Float[np.ndarray, "draws rows"]:
    """Draw how often each row counts in each resample: whole groups, with replacement, as many as there are.

    Raises:
        ConfigError: there is one group only.
    """
    how = how or Resampling()
    _, member = np.unique(groups, return_inverse=True)
    count = int(member.max()) + 1
    if count < 2:
        raise ConfigError("A bootstrap needs at least two groups.")
    counts = np.random.default_rng(how.seed).multinomial(count, np.full(count, 1 / count), size=how.draws)
    return counts[:, member].astype(np.float64)


def measure_draws(own: np.ndarray, draws: np.ndarray, count: int) -> Components:
    """Part the variance of a metric: the spread over resamples, and the spread over seeds."""
    seeds, exact = len(own), count / (count - 1)
    by_item = exact * float(draws.mean(1).var(ddof=1))
    if seeds == 1:
        return Components(float(own.mean()), 1, count, 0.0, by_item, 0.0, 0.0, count - 1.0)
    rest = max(0.0, exact * float(draws.var(axis=0, ddof=1).mean()) - by_item) / (seeds - 1)
    return Components(float(own.mean()), seeds, count, spread_of_means(own), by_item, rest, seeds - 1.0, count - 1.0)


def _resample(
    metric: Metric, sides: list[np.ndarray], labels: np.ndarray, members: list[np.ndarray], how: Resampling
) -> np.ndarray:
    """Score resamples of the groups: (draws, seeds)."""
    draw, tries = np.random.default_rng(how.seed), 0
    resamples: list[np.ndarray] = []
    while len(resamples) < how.draws:
        tries += 1
        if tries > 4 * how.draws:
            raise ConfigError("The metric is undefined on most resamples: too few rows of some class.")
        sample = draw.integers(len(members), size=len(members))
        scores = _score(metric, sides, labels, np.concatenate([members[number] for number in sample]))
        if scores is not None:
            resamples.append(scores)
    return np.array(resamples)


def _score(metric: Metric, sides: list[np.ndarray], labels: np.ndarray, rows: np.ndarray) -> np.ndarray | None:
    """Score every seed on these rows; the difference where there are two sides; None where it is undefined."""
    true = labels[rows]
    try:
        scores = np.array([[metric(seed[rows], true) for seed in side] for side in sides], dtype=np.float64)
    except ValueError:
        return None
    result: np.ndarray = scores[0] if len(scores) == 1 else scores[0] - scores[1]
    return result if np.isfinite(result).all() else None


def _check(sides: list[np.ndarray], labels: np.ndarray, groups: np.ndarray | None) -> list[np.ndarray]:
    """Refuse shapes that do not fit; list the rows of each group."""
    for side in sides:
        if side.shape[:2] != (len(sides[0]), len(labels)):
            raise ConfigError(
                f"Predictions are (seeds, rows, …) with the same seeds and rows everywhere: got {side.shape} for "
                f"{len(sides[0])} seeds and {len(labels)} labels."
            )
    numbers = np.arange(len(labels)) if groups is None else groups
    if len(numbers) != len(labels):
        raise ConfigError(f"Every row has one group: {len(labels)} rows were given and {len(numbers)} groups.")
    order = np.argsort(numbers, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    if len(members) < 2:
        raise ConfigError("A bootstrap needs at least two groups.")
    return members
