"""What an additive projection owes to the rows that it was made of: the rows are drawn again, and it is made again."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from interfuse.core.modalities import Modalities

DRAWS = 300
"""Resamples of the rows."""
CHUNK = 50
"""Resamples at once."""


@dataclass(frozen=True)
class Spread:
    """How a mean difference to an additive projection varies with the rows."""

    by_row: Float[np.ndarray, " rows"]
    """What each row adds, as a row and as part of the projection; the mean is the difference."""
    low: float
    """Of the middle 95 % of the differences of the resamples."""
    high: float


def spread_projected(
    table: Float[np.ndarray, "texts images classes"],
    difference: Float[np.ndarray, " rows"],
    score: Callable[[Float[np.ndarray, "many classes"]], Float[np.ndarray, " many"]],
    additive_scores: Float[np.ndarray, " rows"],
    groups: Int[np.ndarray, " rows"] | None = None,
    seed: int = 0,
) -> Spread:
    """Draw the rows of a mean difference to the additive projection again, and make the projection again of them.

    With weights w of a resample of the groups (multinomial, so each row counts w times), the projection is made with
    weighted means, and the difference moves by `G(w) = Σ w_i (s_i − s_i^w) / n`, s_i the score of the projection and
    s_i^w that of the one made again. Row i adds `d_i + n cov(w, G) / var(w)`, and all are scaled so that the variance
    of their mean is that of `Σ w_i d_i / n + G(w)` over the resamples. The mean stays that of `difference`.

    Args:
        table: `L[i, j]`, the text of row i with the picture of row j.
        difference: of each row, the score less the projection's.
        score: gives the scores of values of all rows, many times over.
        additive_scores: of the projection.
        groups: rows of one group are drawn together.
        seed: of the draws.

    Reference:
        Efron 2014, https://doi.org/10.1080/01621459.2013.823775, on influence by the covariance with bootstrap weights.
    """
    rows = len(table)
    _, group = np.unique(np.arange(rows) if groups is None else groups, return_inverse=True)
    count = int(group.max()) + 1
    centred = difference - difference.mean()
    mean = float(difference.mean())
    if count < 2:
        return Spread(np.array(difference, dtype=np.float64), mean, mean)
    draw = np.random.default_rng(seed)
    weights = draw.multinomial(count, np.full(count, 1 / count), DRAWS).astype(np.float64)
    sides = Modalities(image=table.reshape(rows, -1), text=table.swapaxes(0, 1).reshape(rows, -1))
    moved = np.concatenate([_moved(sides, part[:, group], score, additive_scores) for part in _chunks(weights)])
    influence = (weights - weights.mean(0)).T @ (moved - moved.mean()) / np.square(weights - weights.mean(0)).sum(0)
    sums = np.bincount(group, weights=centred, minlength=count) / rows
    both = sums + influence - influence.mean()
    redrawn = weights @ sums + moved
    wanted, own = float(redrawn.std()), float(np.sqrt(np.square(both).sum()))
    scale = wanted / own if own > 0 else 1.0
    per_row = centred + (rows * (influence - influence.mean()) / np.bincount(group))[group]
    low, high = np.quantile(mean + redrawn, [0.025, 0.975]).tolist()
    return Spread(np.asarray(mean + scale * (per_row - per_row.mean())), low, high)


def _chunks(weights: np.ndarray) -> list[np.ndarray]:
    return [weights[at : at + CHUNK] for at in range(0, len(weights), CHUNK)]


def _moved(
    sides: Modalities[np.ndarray],
    weights: Float[np.ndarray, "draws rows"],
    score: Callable[[np.ndarray], np.ndarray],
    additive_scores: np.ndarray,
) -> Float[np.ndarray, " draws"]:
    """Return by how much the mean difference moves when the projection is made of each resample.

    Args:
        sides: the table with the texts first, whose weighted mean is each image's part, and with the images first.
        weights: of the rows.
        score: as in `spread_projected`.
        additive_scores: of the projection of all rows.
    """
    share = weights / weights.sum(1, keepdims=True)
    draws, rows = share.shape
    by_image, by_text = ((share @ side).reshape(draws, rows, -1) for side in sides)
    projected = by_text + by_image - np.einsum("dr,drc->dc", share, by_text)[:, None]
    changed = additive_scores - score(projected.reshape(draws * rows, -1)).reshape(draws, rows)
    return np.asarray((share * changed).sum(1))
