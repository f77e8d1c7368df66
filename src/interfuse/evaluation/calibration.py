"""Calibration: whether a probability of 0.8 is right eight times in ten, and one temperature that fixes it."""

from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float, Num

from interfuse.core.errors import ConfigError
from interfuse.evaluation.confidence_bins import LEVEL, confidence_bins

COLDEST, HOTTEST = 0.01, 100.0
"""Bounds of the temperature."""
ROUNDING = 1e-9
"""Errors that differ by no more than this are equal."""


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities can be trusted."""

    ece: float
    """Expected calibration error, 15 bins, fraction 0 to 1; above 0 by chance alone, the more the fewer the rows."""
    debiased_ece: float
    """The same less what chance adds to it, at least 0."""
    band: float
    """97.5 % of perfectly calibrated models with these confidences have a debiased error of at most this."""
    nll: float
    """Negative log-likelihood a row (multilabel: a row and label), nats."""
    brier: float
    """Mean Σ_c (p_c − y_c)² (multilabel: mean over rows and labels of (p − y)²)."""
    bins: list[tuple[float, float, float]]
    """Of each bin that holds any: part of the answers, mean confidence, part of them right."""

    @property
    def is_off(self) -> bool:
        """Whether the probabilities are further off than chance makes those of a perfectly calibrated model."""
        return self.debiased_ece > self.band + ROUNDING


@dataclass(frozen=True)
class Temperature:
    """The one number that the logits are divided by, and where it may lie."""

    value: float
    low: float
    """Of its 97.5 % interval by the likelihood, as far as the range that is searched."""
    high: float

    @property
    def is_at_bound(self) -> bool:
        """Whether it stands at an end of the range that is searched: the best one may lie beyond."""
        return self.value < COLDEST * 1.01 or self.value > HOTTEST / 1.01

    @property
    def is_needed(self) -> bool:
        """Whether its interval leaves out 1, with which nothing is divided."""
        return not self.low <= 1 <= self.high


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
        positive, flat = scipy.special.expit(scaled).reshape(-1), labels.astype(int).reshape(-1)
        probs, brier = np.stack([1 - positive, positive], 1), float(np.square(positive - flat).mean())
    else:
        probs, flat = scipy.special.softmax(scaled, -1), labels.astype(int)
        brier = float(np.square(probs - np.eye(probs.shape[1])[flat]).sum(1).mean())
    sure = probs.max(1)
    bins = confidence_bins(sure, probs.argmax(1) == flat)
    parts = zip(bins.counts / len(sure), bins.confidence, bins.right, strict=True)
    rows = [(float(part), float(confidence), float(right)) for part, confidence, right in parts]
    debiased = max(0.0, bins.debiased_error)
    return Calibration(bins.error, debiased, max(0.0, bins.consistency_band(sure)), nll, brier, rows)


def fit_temperature(
    logits: Float[np.ndarray, "rows classes"], labels: Num[np.ndarray, "..."], task: str
) -> Temperature:
    """Find the one temperature, 0.01 to 100, that makes the labels of validation rows likeliest, and its interval.

    The interval holds every temperature whose log-likelihood is less than χ²₁(97.5 %) / 2 below the best one's; rows
    (multilabel: rows and labels) count as independent. The order of the answers and accuracy do not change; above 1 the
    model was too sure of itself.

    Raises:
        ConfigError: there is no row.
    """
    if not len(logits):
        raise ConfigError("A temperature is fitted on validation rows, and there is none.")
    wide, answers = logits.astype(np.float64), labels.size
    bounds = float(np.log(COLDEST)), float(np.log(HOTTEST))

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(wide / np.exp(log_temperature), labels, task)

    best = scipy.optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6})
    limit = best.fun + scipy.stats.chi2.ppf(LEVEL, 1) / 2 / answers
    ends = [
        scipy.optimize.brentq(lambda t: loss(t) - limit, *sorted((end, float(best.x))), xtol=1e-6)
        if loss(end) > limit
        else end
        for end in bounds
    ]
    value, low, high = (float(np.exp(t)) for t in (best.x, *ends))
    return Temperature(value, low, high)


def negative_log_likelihood(
    logits: Float[np.ndarray, "rows classes"], labels: Num[np.ndarray, "..."], task: str
) -> float:
    """Average `−log p(label)` in nats."""
    if task == "multilabel":
        return float(-np.where(labels > 0.5, scipy.special.log_expit(logits), scipy.special.log_expit(-logits)).mean())
    classes = labels.astype(int)
    return float(-scipy.special.log_softmax(logits, -1)[np.arange(len(logits)), classes].mean())
