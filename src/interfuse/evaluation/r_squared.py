"""R² and relative MSE as means over rows whose spread is that of the ratio: the variance below it is estimated too."""

import numpy as np
from jaxtyping import Float, Num


def spread_of(true: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """Return how much each row adds to the variance v of the rows' numbers: `(y − ȳ)² / v − 1`; 0 where v = 0.

    >>> spread_of(np.array([0.0, 1.0, 5.0])).round(2).tolist()
    [-0.14, -0.79, 0.93]
    """
    squares = np.square(true.astype(np.float64) - true.mean())
    variance = squares.mean()
    return np.asarray(squares / variance - 1) if variance else np.zeros(len(true))


def spread_explained(
    scores: Float[np.ndarray, "*seeds rows"], spread: Float[np.ndarray, " rows"]
) -> Float[np.ndarray, "*seeds rows"]:
    """Let row scores `1 − e²/v`, whose mean is R², vary as R² does: `s_i + (1 − s̄) · ((y_i − ȳ)²/v − 1)`.

    As they are they take v for known. The ratio of two means has the influence `e_i²/v − (MSE/v) · (y_i − ȳ)²/v` of
    row i; without its second part intervals are those of another number, mostly too narrow. The mean stays what it was.

    Args:
        scores: of every row, by seed.
        spread: of the rows' numbers, as `spread_of` gives it.

    Reference:
        The delta method for a ratio of means: van der Vaart 1998, Asymptotic Statistics, chapter 3.
    """
    return np.asarray(scores + (1 - scores.mean(-1, keepdims=True)) * spread)


def vary_as_metric(
    scores: Float[np.ndarray, "*seeds rows"],
    labels: Num[np.ndarray, "rows *classes"],  # noqa: F821
    task: str,
) -> Float[np.ndarray, "*seeds rows"]:
    """Return row scores an interval of whose mean is one of the metric: those of a regression spread as R² does.

    Args:
        scores: as `example_scores` gives them.
        labels: of the rows.
        task: of the rows.
    """
    return spread_explained(scores, spread_of(labels.astype(np.float64))) if task == "regression" else scores
