"""Scores of predictions: one number a row, whose mean is the headline metric, and the metrics beside it."""

import numpy as np
from jaxtyping import Float, Num
from sklearn.metrics import average_precision_score, f1_score

from interfuse.core.errors import ConfigError

Labels = Num[np.ndarray, "rows"] | Num[np.ndarray, "rows classes"]
BINS = 15
_TINY = 1e-12


def example_scores(probs: Float[np.ndarray, "rows classes"], labels: Labels, task: str) -> Float[np.ndarray, " rows"]:
    """Score each row from 0 to 1.

    multiclass: 1 where the likeliest class (the first of equals) is the label. multilabel: F1 of the row's label set
    at threshold 0.5, and 1 where both sets are empty.

    Raises:
        ConfigError: the probabilities are none, the labels do not fit them, or the task is not known.
    """
    _check_probs(probs, task)
    _check_labels(probs, labels, task)
    if task == "multiclass":
        return np.asarray(probs.argmax(1) == labels, dtype=np.float64)
    chosen, true = probs >= 0.5, labels.astype(bool)
    both, either = 2.0 * (chosen & true).sum(1), (chosen.sum(1) + true.sum(1)).astype(np.float64)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def aggregate_scores(probs: Float[np.ndarray, "rows classes"], labels: Labels, task: str) -> dict[str, float]:
    """Compute every metric of the task; the first is the headline.

    multiclass: accuracy, macro F1 over the classes that occur among labels or answers, negative log-likelihood (nats),
    expected calibration error (15 equal bins of confidence), Brier score `mean Σ_c (p_c − y_c)²`. multilabel: example
    F1, micro and macro F1 over all labels, mean average precision over the labels that occur.

    Raises:
        ConfigError: as `example_scores`.
    """
    scores = example_scores(probs, labels, task)
    if task == "multilabel":
        chosen, true = (probs >= 0.5).astype(int), labels.astype(int)
        occurring = true.any(0)
        precision = average_precision_score(true[:, occurring], probs[:, occurring]) if occurring.any() else 0.0
        return {
            "example F1": float(scores.mean()),
            "micro F1": float(f1_score(true, chosen, average="micro", zero_division=0.0)),
            "macro F1": float(f1_score(true, chosen, average="macro", zero_division=0.0)),
            "mAP": float(precision),
        }
    classes = labels.astype(int)
    picked = probs[np.arange(len(probs)), classes].astype(np.float64)
    hot = np.eye(probs.shape[1])[classes]
    return {
        "accuracy": float(scores.mean()),
        "macro F1": float(f1_score(classes, probs.argmax(1), average="macro", zero_division=0.0)),
        "NLL": float(-np.log(np.maximum(picked, _TINY)).mean()),
        "ECE": calibration_error(probs, classes),
        "Brier": float(np.square(probs - hot).sum(1).mean()),
    }


def calibration_error(probs: Float[np.ndarray, "rows classes"], labels: Num[np.ndarray, " rows"]) -> float:
    """Expected calibration error: mean over rows of |accuracy − confidence| of the row's bin of confidence.

    Bin m of M holds the confidences above (m−1)/M up to m/M.

    Reference:
        Guo et al. 2017, https://arxiv.org/abs/1706.04599, equation 5, with 15 bins of equal width.
    """
    confidence, right = probs.max(1).astype(np.float64), probs.argmax(1) == labels
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    error = 0.0
    for number in np.unique(bins):
        inside = bins == number
        error += inside.sum() / len(bins) * abs(right[inside].mean() - confidence[inside].mean())
    return float(error)


def _check_probs(probs: np.ndarray, task: str) -> None:
    if task not in ("multiclass", "multilabel"):
        raise ConfigError(f"Scores are for multiclass or multilabel, got task={task!r}.")
    if probs.ndim != 2:
        raise ConfigError(f"Probabilities are (rows, classes), got shape {probs.shape}.")
    if probs.size == 0:
        raise ConfigError("There is no row to score.")
    low, high = float(probs.min()), float(probs.max())
    if not (low >= -1e-6 and high <= 1 + 1e-6):  # written so that NaN fails too
        raise ConfigError(
            f"Probabilities are from 0 to 1, got {low:.4g} to {high:.4g}: give probabilities, not logits."
        )
    if task == "multiclass":
        worst = float(np.abs(probs.sum(1, dtype=np.float64) - 1).max())
        if worst > 1e-3:
            raise ConfigError(f"Rows of probabilities add up to 1, one is off by {worst:.4g}: give softmax outputs.")


def _check_labels(probs: np.ndarray, labels: np.ndarray, task: str) -> None:
    if task == "multilabel":
        if labels.shape != probs.shape:
            raise ConfigError(f"Multilabel labels are 0 or 1 of shape {probs.shape}, got shape {labels.shape}.")
        strange = labels[(labels != 0) & (labels != 1)]
        if strange.size:
            raise ConfigError(f"Multilabel labels are 0 or 1, got {strange[0]:g}.")
        return
    if labels.ndim != 1 or len(labels) != len(probs):
        raise ConfigError(f"Multiclass labels are class numbers ({len(probs)},), got shape {labels.shape}.")
    strange = labels[(labels != labels.astype(np.int64)) | (labels < 0) | (labels >= probs.shape[1])]
    if strange.size:
        raise ConfigError(f"Class numbers are whole, from 0 to {probs.shape[1] - 1}, got {strange[0]:g}.")
