"""EMAP: what is left of a model when its two modalities may only add up."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, Num

from interfuse.core.errors import ConfigError
from interfuse.core.tasks import is_single_class, lowest_score
from interfuse.evaluation.components import mean_interval
from interfuse.evaluation.intervals import Interval
from interfuse.evaluation.r_squared import vary_as_metric
from interfuse.evaluation.resampling import spread_projected
from interfuse.evaluation.scores import example_scores

Table = Float[np.ndarray, "texts images classes"]
TIE = 1e-6
"""Logits nearer than this fraction of their spread count as equal: rounding must not decide a tie."""


@dataclass(frozen=True)
class Emap:
    """A model's score beside that of its nearest additive model."""

    score: float
    """Mean score of the model itself, fraction 0 to 1, ties shared."""
    additive_score: float
    """Mean score of the empirical multimodally-additive projection on the same rows."""
    delta: Interval
    """score − additive_score, over the rows of this one trained model, and the projection that they make."""
    interaction_share: float
    """Part of the logits' variance over all pairs that no additive model can give, fraction 0 to 1."""
    by_row: Float[np.ndarray, " rows"]
    """What each row adds to the delta, as a row and as part of the projection; the mean is the delta."""


def project_additive(logits: Table) -> Table:
    """Project the logits of all pairs on the nearest function `a(text) + b(image)`.

    `A[i, j] = mean over images of L[i] + mean over texts of L[:, j] − mean over all pairs`, class by class; of all
    additive tables it is the nearest in squares.

    Reference:
        Hessel and Lee 2020, https://arxiv.org/abs/2010.06572, algorithm 1.
    """
    by_text, by_image = logits.mean(1, keepdims=True), logits.mean(0, keepdims=True)
    return np.asarray(by_text + by_image - logits.mean((0, 1), keepdims=True))


def measure_emap(
    logits: Table, labels: Num[np.ndarray, "..."], task: str, groups: Int[np.ndarray, " rows"] | None = None
) -> Emap:
    """Compare a model with its additive projection on the rows that the table's diagonal holds.

    Args:
        logits: `L[i, j]`, the text of row i with the picture of row j.
        labels: as `example_scores`.
        task: of the rows.
        groups: rows of one group are one item of the interval.

    Raises:
        ConfigError: the table is not square, or not finite.

    Reference:
        As `project_additive`; the interval of the rows is widened to what redrawn rows, of which the projection is
        made again, give in 95 % of the resamples (`spread_projected`). A score without loss (Δ = 0) means that the
        interaction is not needed on these rows, not that it is not used: AND is such a task.
    """
    check_table(logits)
    table = logits.astype(np.float64)
    own, additive = diagonal(table), diagonal(project_additive(table))
    spread = float(table.std())
    row_scores, row_additive = (tied_scores(values, labels, task, spread) for values in (own, additive))
    scores, additive_scores = (vary_as_metric(values, labels, task) for values in (row_scores, row_additive))
    redrawn = spread_projected(
        table,
        scores - additive_scores,
        lambda values: tied_scores(values, np.concatenate([labels] * (len(values) // len(table))), task, spread),
        row_additive,
        groups,
    )
    delta = mean_interval((scores - additive_scores)[None], groups)
    delta = replace(delta, low=min(delta.low, redrawn.low), high=max(delta.high, redrawn.high))
    share = interaction_share(table, task)
    widest = 1.0 - lowest_score(task)
    return Emap(
        float(scores.mean()), float(additive_scores.mean()), delta.within(-widest, widest), share, redrawn.by_row
    )


def interaction_share(logits: Table, task: str = "multiclass") -> float:
    """Part of the variance of the logits that is interaction: `Σ (L − A)² / Σ (L − mean)²` over all pairs.

    For multiclass and matching each pair's mean over classes is taken off first: softmax does not see it. The mean is
    each class's own, so that a prior of the head counts as nothing. Logits that never change have no interaction: 0.
    """
    table = logits.astype(np.float64)
    if is_single_class(task):
        table = table - table.mean(-1, keepdims=True)
    total = np.square(table - table.mean((0, 1))).sum()
    if total <= 1e-24 * max(1.0, float(np.square(table).sum())):
        return 0.0
    return float(np.square(table - project_additive(table)).sum() / total)


def tied_scores(
    logits: Float[np.ndarray, "rows classes"], labels: Num[np.ndarray, "..."], task: str, spread: float
) -> Float[np.ndarray, " rows"]:
    """Score each row by its logits, at most 1; classes that tie for the first place share the row.

    Args:
        logits: before softmax (multiclass, matching) or sigmoid (multilabel: F1 of the set above 0, 1 where both are
            empty); for regression the predicted numbers, whose score has no ties and no lower bound.
        labels: as `example_scores`.
        task: of the rows.
        spread: standard deviation of the logits, by which a tie is told.
    """
    near = TIE * spread
    if task == "regression":
        return example_scores(logits, labels, task)
    if task == "multilabel":
        chosen, true = logits > -near, labels.astype(bool)
        both, either = 2.0 * (chosen & true).sum(-1), (chosen.sum(-1) + true.sum(-1)).astype(np.float64)
        return np.where(either > 0, both / np.maximum(either, 1), 1.0)
    first = logits >= logits.max(-1, keepdims=True) - near
    right = np.take_along_axis(first, labels.astype(int)[:, None], -1)[:, 0]
    return np.asarray(right / first.sum(-1), dtype=np.float64)


def diagonal(table: Table) -> Float[np.ndarray, "rows classes"]:
    """Take each text with its own picture."""
    rows = np.arange(len(table))
    return table[rows, rows]


def check_table(logits: np.ndarray) -> None:
    """Refuse what is no table of all pairs.

    Raises:
        ConfigError: the table is not square, or not finite.
    """
    if logits.ndim != 3 or logits.shape[0] != logits.shape[1] or logits.size == 0:
        raise ConfigError(
            f"Give the logits of every text with every picture of the same rows, (rows, rows, classes): got "
            f"{logits.shape}."
        )
    if not np.isfinite(logits).all():
        raise ConfigError("The logits of some pair are not finite: the network gives NaN or infinity.")
