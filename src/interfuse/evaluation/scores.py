"""Scores of predictions: one number a row, whose mean is the headline metric, and the metrics beside it."""

import numpy as np
from jaxtyping import Float, Num

from interfuse.core.errors import ConfigError
from interfuse.core.tasks import TASKS, is_single_class
from interfuse.evaluation.bootstrap_metrics import make_metric
from interfuse.evaluation.confidence_bins import confidence_bins

Labels = Num[np.ndarray, "rows"] | Num[np.ndarray, "rows classes"]
_TINY = 1e-12


def example_scores(probs: Float[np.ndarray, "rows classes"], labels: Labels, task: str) -> Float[np.ndarray, " rows"]:
    """Score each row; the mean is the headline metric, and the paired statistics work on these numbers.

    multiclass, matching: 1 where the likeliest class (the first of equals) is the label, else 0. multilabel: F1 of the
    row's label set at threshold 0.5, and 1 where both sets are empty. regression: `1 − (y − ŷ)² / v`, with v the
    variance of y over these rows, so that the mean is exactly R²; it is at most 1 and has no lower bound. Where y does
    not vary: 1 where ŷ = y, else 0.

    Mean average precision, micro and macro F1 and AUC are no means over rows; `aggregate_scores` gives them beside.

    Args:
        probs: probabilities; for regression the predicted numbers, one column.
        labels: class numbers, or 0 and 1 a class, or the true numbers.
        task: one of the four.

    Raises:
        ConfigError: the probabilities are none, the labels do not fit them, or the task is not known.
    """
    _check_probs(probs, task)
    _check_labels(probs, labels, task)
    if task == "regression":
        return _explained(probs[:, 0].astype(np.float64), labels.astype(np.float64))
    if is_single_class(task):
        return np.asarray(probs.argmax(1) == labels, dtype=np.float64)
    answers, true = probs >= 0.5, labels.astype(bool)
    both, either = 2.0 * (answers & true).sum(1), (answers.sum(1) + true.sum(1)).astype(np.float64)
    return np.where(either > 0, both / np.maximum(either, 1), 1.0)


def _explained(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    variance = np.square(true - true.mean()).mean()
    if variance == 0:
        return np.asarray(predicted == true, dtype=np.float64)
    return np.asarray(1 - np.square(true - predicted) / variance)


def aggregate_scores(probs: Float[np.ndarray, "rows classes"], labels: Labels, task: str) -> dict[str, float]:
    """Compute every metric of the task; the first is the headline.

    multiclass: accuracy, macro F1 over the classes that occur among labels or answers, negative log-likelihood (nats),
    expected calibration error (15 equal bins of confidence), Brier score `mean Σ_c (p_c − y_c)²`. matching: accuracy,
    area under the ROC curve (absent where only one class occurs), and the same. multilabel: example F1, micro and
    macro F1 over all labels, mean average precision over the labels that occur. regression: R², MSE, MAE.

    Raises:
        ConfigError: as `example_scores`.
    """
    scores = example_scores(probs, labels, task)
    if task == "regression":
        error = probs[:, 0].astype(np.float64) - labels
        return {
            "R²": float(scores.mean()),
            "MSE": float(np.square(error).mean()),
            "MAE": float(np.abs(error).mean()),
        }
    if task == "multilabel":
        return _multilabel_scores(probs, labels, scores)
    classes = labels.astype(int)
    true_probs = probs[np.arange(len(probs)), classes].astype(np.float64)
    hot = np.eye(probs.shape[1])[classes]
    both = task == "matching" and 0 < classes.mean() < 1
    return {
        "accuracy": float(scores.mean()),
        **({"AUC": _plain("AUC", probs, classes, task)} if both else {}),
        "macro F1": _plain("macro F1", probs, classes, task),
        "NLL": float(-np.log(np.maximum(true_probs, _TINY)).mean()),
        "ECE": calibration_error(probs, classes),
        "Brier": float(np.square(probs - hot).sum(1).mean()),
    }


def _multilabel_scores(probs: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    names = ("micro F1", "macro F1", *(["mAP"] if labels.any() else []))
    return {
        "example F1": float(scores.mean()),
        **{name: _plain(name, probs, labels, "multilabel") for name in names},
        **({} if labels.any() else {"mAP": 0.0}),
    }


def _plain(name: str, probs: np.ndarray, labels: np.ndarray, task: str) -> float:
    """Return a metric of `WEIGHTED` of rows that count once each."""
    return float(make_metric(name, probs, labels, task)(np.ones(len(probs))))


def calibration_error(probs: Float[np.ndarray, "rows classes"], labels: Num[np.ndarray, " rows"]) -> float:
    """Expected calibration error: mean over rows of |accuracy − confidence| of the row's bin of confidence.

    Bin m of M holds the confidences above (m−1)/M up to m/M.

    Reference:
        Guo et al. 2017, https://arxiv.org/abs/1706.04599, equation 5, with 15 bins of equal width.
    """
    return confidence_bins(probs.max(1).astype(np.float64), probs.argmax(1) == labels).error


def _check_probs(probs: np.ndarray, task: str) -> None:
    if task not in TASKS:
        raise ConfigError(f"Scores are for {', '.join(TASKS[:-1])} or {TASKS[-1]}, got task={task!r}.")
    if probs.ndim != 2:
        raise ConfigError(f"Probabilities are (rows, classes), got shape {probs.shape}.")
    if probs.size == 0:
        raise ConfigError("There is no row to score.")
    if task == "regression":
        if probs.shape[1] != 1 or not np.isfinite(probs).all():
            raise ConfigError(f"Predicted numbers are finite and (rows, 1), got shape {probs.shape}.")
        return
    low, high = float(probs.min()), float(probs.max())
    if not (low >= -1e-6 and high <= 1 + 1e-6):  # written so that NaN fails too
        raise ConfigError(
            f"Probabilities are from 0 to 1, got {low:.4g} to {high:.4g}: give probabilities, not logits."
        )
    if is_single_class(task):
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
    if task == "regression":
        if labels.shape != (len(probs),) or not np.isfinite(labels).all():
            raise ConfigError(f"Regression labels are finite numbers ({len(probs)},), got shape {labels.shape}.")
        return
    if labels.ndim != 1 or len(labels) != len(probs):
        raise ConfigError(f"{task.title()} labels are class numbers ({len(probs)},), got shape {labels.shape}.")
    strange = labels[(labels != labels.astype(np.int64)) | (labels < 0) | (labels >= probs.shape[1])]
    if strange.size:
        raise ConfigError(f"Class numbers are whole, from 0 to {probs.shape[1] - 1}, got {strange[0]:g}.")
