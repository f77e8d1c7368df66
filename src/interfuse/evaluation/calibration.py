"""Calibration: whether a probability of 0.8 is right eight times in ten, and one temperature that fixes it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Num
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax

from interfuse.core.errors import ConfigError
from interfuse.evaluation.scores import BINS, calibration_error

COLDEST, HOTTEST = 0.01, 100.0
"""Bounds of the temperature."""


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities can be trusted."""

    ece: float
    """Expected calibration error, 15 bins, fraction 0 to 1."""
    nll: float
    """Negative log-likelihood a row (multilabel: a row and label), nats."""
    brier: float
    """Mean Σ_c (p_c − y_c)² (multilabel: mean over rows and labels of (p − y)²)."""
    bins: list[tuple[float, float, float]]
    """Of each bin that holds any: part of the answers, mean confidence, part of them right."""


def measure_calibration(
    logits: Float[np.ndarray, "rows classes"],
    labels: Num[np.ndarray, "..."],
    task: str,
    temperature: float = 1.0,
) -> Calibration:
    """Measure the probabilities `softmax(logits / T)`, or `sigmoid` for multilabel, where each label is an answer.

    Raises:
        ConfigError: the temperature is not above 0.

    Reference:
        Guo et al. 2017, https://arxiv.org/abs/1706.04599.
    """
    if not temperature > 0:
        raise ConfigError(f"A temperature is above 0, got {temperature}.")
    scaled = logits.astype(np.float64) / temperature
    nll = negative_log_likelihood(scaled, labels, task)
    if task == "multilabel":
        positive, flat = expit(scaled).reshape(-1), labels.astype(int).reshape(-1)
        probs, brier = np.stack([1 - positive, positive], 1), float(np.square(positive - flat).mean())
    else:
        probs, flat = softmax(scaled, -1), labels.astype(int)
        brier = float(np.square(probs - np.eye(probs.shape[1])[flat]).sum(1).mean())
    return Calibration(calibration_error(probs, flat), nll, brier, _bins(probs, flat))


def fit_temperature(logits: Float[np.ndarray, "rows classes"], labels: Num[np.ndarray, "..."], task: str) -> float:
    """Find the one temperature, 0.01 to 100, that makes the labels of validation rows likeliest.

    Argument order and accuracy do not change; above 1 the model was too sure of itself.

    Raises:
        ConfigError: there is no row.
    """
    if not len(logits):
        raise ConfigError("A temperature is fitted on validation rows, and there is none.")
    wide = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(wide / np.exp(log_temperature), labels, task)

    optimum = minimize_scalar(
        loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(optimum.x))


def is_at_bound(temperature: float) -> bool:
    """Whether a fitted temperature stands at an end of the range that is searched: the best one may lie beyond."""
    return temperature < COLDEST * 1.01 or temperature > HOTTEST / 1.01


def negative_log_likelihood(
    logits: Float[np.ndarray, "rows classes"], labels: Num[np.ndarray, "..."], task: str
) -> float:
    """Average `−log p(label)` in nats."""
    if task == "multilabel":
        return float(-np.where(labels > 0.5, log_expit(logits), log_expit(-logits)).mean())
    classes = labels.astype(int)
    return float(-log_softmax(logits, -1)[np.arange(len(logits)), classes].mean())


def _bins(probs: np.ndarray, labels: np.ndarray) -> list[tuple[float, float, float]]:
    confidence, right = probs.max(1), probs.argmax(1) == labels
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return [
        (float((place == b).mean()), float(confidence[place == b].mean()), float(right[place == b].mean()))
        for b in np.unique(place)
    ]
