"""Metrics that are no mean over rows, of rows that count several times: fast enough for a bootstrap.

Each is prepared once for the predictions of one seed and then asked for many weightings of the rows.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float, Num

from interfuse.core.errors import ConfigError

Weighted = Callable[[np.ndarray], float]
"""How often each row counts to the metric; NaN where it is undefined."""
Make = Callable[[np.ndarray, np.ndarray], Weighted]


def make_metric(
    name: str,
    probs: Float[np.ndarray, "rows classes"],
    labels: Num[np.ndarray, "rows *classes"],  # noqa: F821
    task: str,
) -> Weighted:
    """Prepare a metric of `WEIGHTED` for one seed's predictions; its value with weights 1 is `aggregate_scores`'.

    Raises:
        ConfigError: the task has no such metric.
    """
    if name not in WEIGHTED.get(task, {}):
        raise ConfigError(f"{task} has {', '.join(WEIGHTED.get(task, {})) or 'no such metric'}; got {name!r}.")
    return WEIGHTED[task][name](probs.astype(np.float64), labels)


def _auc(scores: np.ndarray, true: np.ndarray) -> Weighted:
    """`P(score of a positive > of a negative) + ½ P(equal)`, by the ranks of distinct scores."""
    _, place = np.unique(scores, return_inverse=True)
    count, positive = int(place.max()) + 1, true.astype(np.float64)

    def score(weights: np.ndarray) -> float:
        above = np.bincount(place, weights * positive, count)
        below = np.bincount(place, weights * (1 - positive), count)
        pairs = above.sum() * below.sum()
        return float((above * (below.cumsum() - below / 2)).sum() / pairs) if pairs else float("nan")

    return score


def _average_precision(scores: np.ndarray, true: np.ndarray) -> Weighted:
    """`Σ_n (R_n − R_{n−1}) P_n` over distinct scores, the highest first."""
    _, place = np.unique(-scores, return_inverse=True)
    count, positive = int(place.max()) + 1, true.astype(np.float64)

    def score(weights: np.ndarray) -> float:
        hits, retrieved = np.bincount(place, weights * positive, count), np.bincount(place, weights, count)
        true_positives, total = hits.cumsum(), retrieved.cumsum()
        precision = np.divide(true_positives, total, out=np.zeros_like(true_positives), where=total > 0)
        return float((hits * precision).sum() / true_positives[-1]) if true_positives[-1] else float("nan")

    return score


def _mean_average_precision(probs: np.ndarray, labels: np.ndarray) -> Weighted:
    """Mean over the labels that occur."""
    parts = [_average_precision(column, true) for column, true in zip(probs.T, labels.T, strict=True)]

    def score(weights: np.ndarray) -> float:
        values = [value for value in (part(weights) for part in parts) if not np.isnan(value)]
        return float(np.mean(values)) if values else float("nan")

    return score


def _macro_f1(probs: np.ndarray, labels: np.ndarray) -> Weighted:
    """Mean of `2 TP / (2 TP + FP + FN)` over the classes that occur among labels or answers."""
    answers, true, count = probs.argmax(1), labels.astype(int), probs.shape[1]

    def score(weights: np.ndarray) -> float:
        both = np.bincount(true, weights * (answers == true), count)
        either = np.bincount(true, weights, count) + np.bincount(answers, weights, count)
        return float((2 * both[either > 0] / either[either > 0]).mean())

    return score


def _label_f1(average: bool) -> Make:
    """F1 of the labels chosen at 0.5: of each label, then the mean (a label that never occurs counts 0), or of all."""

    def make(probs: np.ndarray, labels: np.ndarray) -> Weighted:
        chosen, true = (probs >= 0.5).astype(np.float64), labels.astype(np.float64)

        def score(weights: np.ndarray) -> float:
            both, either = weights @ (chosen * true), weights @ (chosen + true)
            if not average:
                both, either = both.sum(keepdims=True), either.sum(keepdims=True)
            return float(np.divide(2 * both, either, out=np.zeros_like(both), where=either > 0).mean())

        return score

    return make


def _binary_auc(probs: np.ndarray, labels: np.ndarray) -> Weighted:
    return _auc(probs[:, 1], labels)


WEIGHTED: Mapping[str, Mapping[str, Make]] = {
    "multiclass": {"macro F1": _macro_f1},
    "matching": {"AUC": _binary_auc, "macro F1": _macro_f1},
    "multilabel": {"micro F1": _label_f1(False), "macro F1": _label_f1(True), "mAP": _mean_average_precision},
}
"""The metrics of each task that need a bootstrap."""
