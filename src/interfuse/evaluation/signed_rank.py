"""Wilcoxon's signed-rank test of one design against another over data sets."""

import numpy as np
import scipy
from jaxtyping import Float

LEAST = 6
"""With fewer data sets no outcome has a p value below 0.05."""
DIGITS = 12
"""Differences below this decimal are none: rounding is no difference."""


def signed_rank(differences: Float[np.ndarray, " data_sets"]) -> float:
    """Return the exact two-sided p value that the differences are spread evenly around zero.

    The sizes are ranked, equals share the mean of their ranks, and every choice of signs is counted; a difference of
    zero keeps its rank and has no sign (Pratt).

    Args:
        differences: of two designs, one a data set.

    Reference:
        Wilcoxon 1945, https://doi.org/10.2307/3001968; Pratt 1959, https://doi.org/10.1080/01621459.1959.10501526.

    >>> signed_rank(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    0.03125
    """
    rounded = np.round(differences, DIGITS)
    doubled = np.round(2 * scipy.stats.rankdata(np.abs(rounded))).astype(int)[rounded != 0]
    ways = np.ones(1)  # ways[s]: choices of signs with which the positive (doubled) ranks add up to s
    for rank in doubled:
        ways = np.concatenate([ways, np.zeros(rank)]) + np.concatenate([np.zeros(rank), ways])
    positive, total = int(doubled[rounded[rounded != 0] > 0].sum()), int(doubled.sum())
    tail = ways[: min(positive, total - positive) + 1].sum()
    return float(min(1.0, 2 * tail / ways.sum()))


def least_signed_rank(data_sets: int) -> float:
    """Return the smallest p value that so many data sets can have: all for one design.

    >>> least_signed_rank(5), least_signed_rank(6)
    (0.0625, 0.03125)
    """
    return float(min(1.0, 2.0 ** (1 - data_sets)))
