"""Metrics that are no mean over rows, of rows that count several times: fast enough for a bootstrap.

Each is prepared once for the predictions of one seed and then asked for many weightings of the rows.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, Num

from interfuse.core.errors import ConfigError

Weighted = Callable[[Float[np.ndarray, "*draws rows"]], Float[np.ndarray, " *draws"]]
"""How often each row counts, in one weighting or in many at once, to the metric of each; NaN where it is undefined."""
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


def mean_defined(values: Float[np.ndarray, "*draws parts"]) -> Float[np.ndarray, " *draws"]:
    """Return the mean over the parts that have a value; NaN where none has."""
    defined = np.isfinite(values)
    return _divide(np.where(defined, values, 0.0).sum(-1), defined.sum(-1))


def _prepare_auc(probs: np.ndarray, labels: np.ndarray) -> Weighted:
    _, place = np.unique(probs[:, 1], return_inverse=True)
    return partial(_auc, place, labels.astype(np.float64))


def _auc(place: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`P(score of a positive > of a negative) + ½ P(equal)`, by the ranks of distinct scores."""
    count = int(place.max()) + 1
    above, below = _totals(place, weights * positive, count), _totals(place, weights * (1 - positive), count)
    won = (above * (below.cumsum(-1) - below / 2)).sum(-1)
    return _divide(won, above.sum(-1) * below.sum(-1))


def _prepare_map(probs: np.ndarray, labels: np.ndarray) -> Weighted:
    places = [np.unique(-scores, return_inverse=True)[1] for scores in probs.T]
    return partial(_mean_average_precision, places, labels.T.astype(np.float64))


def _mean_average_precision(places: Sequence[np.ndarray], positives: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean over the labels that occur."""
    parts = [_average_precision(place, positive, weights) for place, positive in zip(places, positives, strict=True)]
    return mean_defined(np.stack(parts, axis=-1))


def _average_precision(place: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`Σ_n (R_n − R_{n−1}) P_n` over distinct scores, the highest first."""
    count = int(place.max()) + 1
    hits = _totals(place, weights * positive, count)
    true_positives, total = hits.cumsum(-1), _totals(place, weights, count).cumsum(-1)
    precision = _divide(true_positives, total, undefined=0.0)
    return _divide((hits * precision).sum(-1), true_positives[..., -1])


def _prepare_macro_f1(probs: np.ndarray, labels: np.ndarray) -> Weighted:
    return partial(_macro_f1, probs.argmax(1), labels.astype(int), probs.shape[1])


def _macro_f1(answers: np.ndarray, true: np.ndarray, count: int, weights: np.ndarray) -> np.ndarray:
    """Mean of `2 TP / (2 TP + FP + FN)` over the classes that occur among labels or answers."""
    both = _totals(true, weights * (answers == true), count)
    either = _totals(true, weights, count) + _totals(answers, weights, count)
    return mean_defined(_divide(2 * both, either))


def _prepare_label_f1(average: bool, probs: np.ndarray, labels: np.ndarray) -> Weighted:
    chosen, true = (probs >= 0.5).astype(np.float64), labels.astype(np.float64)
    return partial(_label_f1, average, chosen * true, chosen + true)


def _label_f1(average: bool, both: np.ndarray, either: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """F1 of the labels chosen at 0.5: of each label, then the mean (a label that never occurs counts 0), or of all."""
    hits, named = weights @ both, weights @ either
    if not average:
        hits, named = hits.sum(-1, keepdims=True), named.sum(-1, keepdims=True)
    return np.asarray(_divide(2 * hits, named, undefined=0.0).mean(-1))


def _totals(place: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Add up the weights of the rows at each place, for every weighting: (*draws, count)."""
    flat = weights.reshape(-1, len(place))
    bins = np.arange(len(flat))[:, None] * count + place
    return np.bincount(bins.ravel(), flat.ravel(), len(flat) * count).reshape(*weights.shape[:-1], count)


def _divide(over: np.ndarray | np.number, under: np.ndarray | np.number, undefined: float = np.nan) -> np.ndarray:
    """Divide where the divisor is not 0."""
    return np.divide(over, under, out=np.full(np.shape(over), undefined), where=under != 0)


WEIGHTED: Mapping[str, Mapping[str, Make]] = {
    "multiclass": {"macro F1": _prepare_macro_f1},
    "matching": {"AUC": _prepare_auc, "macro F1": _prepare_macro_f1},
    "multilabel": {
        "micro F1": partial(_prepare_label_f1, False),
        "macro F1": partial(_prepare_label_f1, True),
        "mAP": _prepare_map,
    },
}
"""The metrics of each task that need a bootstrap."""
