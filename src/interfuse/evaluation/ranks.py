"""Designs ranked on each data set: average ranks, whether they differ, and how far apart two must be."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float

from interfuse.core.errors import ConfigError

DRAWS = 20_000
"""Permutations of the ranks: the standard error of a p value of 0.05 is 0.0015."""
DIGITS = 12
"""Scores that differ less than this decimal are equal: rounding is no rank."""


@dataclass(frozen=True)
class Friedman:
    """Friedman's test that all designs rank alike, in three forms."""

    chi_square: float
    f: float | None
    """Iman and Davenport's; None where it is infinite."""
    f_p: float
    p: float
    """By permutation."""


def rank_scores(
    scores: Float[np.ndarray, "data_sets designs"], lower: bool = False
) -> Float[np.ndarray, "data_sets designs"]:
    """Rank the designs on each data set, 1 the best; equals share the mean of their ranks.

    Args:
        scores: of each design on each data set.
        lower: less is better.

    >>> rank_scores(np.array([[0.7, 0.9, 0.7]]))
    array([[2.5, 1. , 2.5]])
    """
    rounded = np.round(scores, DIGITS)
    return np.stack([scipy.stats.rankdata(row if lower else -row) for row in rounded]).astype(np.float64)


def friedman(ranks: Float[np.ndarray, "data_sets designs"], seed: int = 0) -> Friedman:
    """Test that the designs rank alike over data sets.

    With R_i the average rank of k designs over N data sets: χ² = 12N/(k(k+1)) (Σ R_i² − k(k+1)²/4), as Demšar has it,
    without a correction for ties; F = (N−1)χ²/(N(k−1) − χ²) on k−1 and (k−1)(N−1) degrees of freedom.

    Both are limits for many data sets: two data sets that rank two designs alike make F infinite, although that is
    chance every other time. So `p` comes from permuting the ranks within each data set, which is right for any number
    and for ties, up to its `DRAWS`.

    Args:
        ranks: as `rank_scores` gives them.
        seed: of the permutations.

    Raises:
        ConfigError: there are fewer than two data sets or designs.

    Reference:
        Demšar 2006, https://jmlr.org/papers/v7/demsar06a.html; Iman and Davenport 1980.
    """
    count, designs = ranks.shape
    if count < 2 or designs < 2:
        raise ConfigError(f"Ranks are tested over at least 2 data sets and 2 designs, got {count} and {designs}.")
    chi_square = float(_chi_square(ranks[None])[0])
    rest = count * (designs - 1) - chi_square
    f = (count - 1) * chi_square / rest if rest > 1e-9 else None
    f_p = 0.0 if f is None else float(scipy.stats.f.sf(f, designs - 1, (designs - 1) * (count - 1)))
    random = np.random.default_rng(seed)
    drawn = random.permuted(np.broadcast_to(ranks, (DRAWS, *ranks.shape)), axis=2)
    as_far = int((_chi_square(drawn) >= chi_square - 1e-9).sum())
    return Friedman(chi_square, f, f_p, (1 + as_far) / (1 + DRAWS))


def critical_difference(designs: int, data_sets: int, alpha: float = 0.05) -> float:
    """Return how far apart two average ranks must be, by Nemenyi's test over all pairs: `q_α √(k(k+1)/(6N))`.

    q_α is the quantile of the studentised range over √2.

    Args:
        designs: that are ranked.
        data_sets: that they are ranked on.
        alpha: chance that any pair is called different where none is.

    >>> round(critical_difference(4, 14), 2)
    1.25
    """
    quantile = float(scipy.stats.studentized_range.ppf(1 - alpha, designs, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(designs * (designs + 1) / (6 * data_sets))


def group_ranks(ranks: Sequence[float], width: float) -> list[list[int]]:
    """Return the largest groups of two designs or more that lie less than `width` ranks apart, the best first.

    Args:
        ranks: average rank of each design.
        width: the critical difference.

    >>> group_ranks([3.143, 2.0, 2.893, 1.964], 1.0)
    [[3, 1, 2], [2, 0]]
    """
    order = sorted(range(len(ranks)), key=lambda place: ranks[place])
    groups: list[list[int]] = []
    for first, start in enumerate(order):
        group = [place for place in order[first:] if ranks[place] - ranks[start] < width]
        if len(group) > 1 and not (groups and group[-1] in groups[-1]):
            groups.append(group)
    return groups


def _chi_square(ranks: np.ndarray) -> np.ndarray:
    """Return Friedman's χ² of each layout (layouts, data_sets, designs)."""
    _, count, designs = ranks.shape
    squares = np.square(ranks.mean(axis=1)).sum(axis=1)
    return np.asarray(12 * count / (designs * (designs + 1)) * (squares - designs * (designs + 1) ** 2 / 4))
