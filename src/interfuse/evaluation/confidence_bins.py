"""Answers sorted into bins of confidence: how far confidence and accuracy lie apart, and how far chance moves them."""

from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Bool, Float, Int

BINS = 15
"""Bins of equal width over 0 to 1; bin m of M holds the confidences above (m−1)/M up to m/M."""
CELLS = 64
"""Cells of a bin within which answers count as equally sure when labels are drawn."""
DRAWS = 1000
"""Draws of labels behind a band."""
SEED = 7
LEVEL = 0.975
"""Quantile of the band, and level of the temperature's interval."""


@dataclass(frozen=True)
class ConfidenceBins:
    """The bins that hold any answer, the least confident first."""

    counts: Int[np.ndarray, " bins"]
    confidence: Float[np.ndarray, " bins"]
    """Mean of each bin, fraction."""
    right: Float[np.ndarray, " bins"]
    """Part of each bin's answers that are right."""

    @property
    def error(self) -> float:
        """Return the expected calibration error: the mean over answers of `|right − confidence|` of its bin."""
        return float(self._errors(self.right))

    @property
    def debiased_error(self) -> float:
        """Return the expected calibration error less what the chance of the bins' own counts adds to it.

        `2 E − mean of E over right'`, with `right' ~ N(right, right (1 − right) / count)` of each bin; the mean is in
        closed form, where the paper draws. It may be below 0.

        Reference:
            Kumar, Liang & Ma 2019, https://arxiv.org/abs/1909.10155, section 5 and appendix.
        """
        return float(self._debiased(self.right))

    def _errors(self, right: Float[np.ndarray, "... bins"]) -> Float[np.ndarray, "..."]:
        return np.asarray(np.abs(right - self.confidence) @ self._weights())

    def _debiased(self, right: Float[np.ndarray, "... bins"]) -> Float[np.ndarray, "..."]:
        gap = np.abs(right - self.confidence)
        sd = np.sqrt(right * (1 - right) / self.counts)
        ratio = gap / np.maximum(sd, 1e-300)  # of sd 0 the mean is the gap itself
        folded = sd * np.sqrt(2 / np.pi) * np.exp(-np.square(np.minimum(ratio, 40)) / 2) + gap * (
            1 - 2 * scipy.special.ndtr(-ratio)
        )
        return np.asarray((2 * gap - folded) @ self._weights())

    def _weights(self) -> Float[np.ndarray, " bins"]:
        return np.asarray(self.counts / self.counts.sum())

    def consistency_band(self, sure: Float[np.ndarray, " answers"]) -> float:
        """Return up to where the debiased error of a perfectly calibrated model reaches on so many rows: its 97.5 %.

        Labels are drawn `DRAWS` times from the model's own probabilities, an answer at a time, with a fixed seed; the
        cost does not grow with the rows, since answers whose confidences differ by less than 1/960 are drawn at once.

        Args:
            sure: the confidence of each answer, that made these bins.

        Reference:
            Bröcker & Smith 2007, https://doi.org/10.1175/WAF993.1, consistency resampling. Ours bands the debiased
            error of all bins together, theirs the height of each; their rows are resampled too.
        """
        sure, place = sure.astype(np.float64), _place(sure)
        inside = np.clip((sure * BINS - place) * CELLS, 0, CELLS - 1).astype(int)
        cells, cell, sizes = np.unique(place * CELLS + inside, return_inverse=True, return_counts=True)
        means = np.clip(np.bincount(cell, sure) / sizes, 0.0, 1.0)
        drawn = np.random.default_rng(SEED).binomial(sizes, means, (DRAWS, len(cells)))
        starts = np.unique(cells // CELLS, return_index=True)[1]
        right = np.add.reduceat(drawn, starts, axis=1) / self.counts
        return float(np.quantile(self._debiased(right), LEVEL, method="higher"))


def confidence_bins(
    sure: Float[np.ndarray, " answers"], right: Bool[np.ndarray, " answers"] | Float[np.ndarray, " answers"]
) -> ConfidenceBins:
    """Sort answers into bins.

    Args:
        sure: confidence of each answer, 0 to 1.
        right: whether it is right.
    """
    place = _place(sure)
    counts = np.bincount(place, minlength=BINS)
    inside = counts > 0
    counts = counts[inside]
    means = (np.bincount(place, values, BINS)[inside] / counts for values in (sure, right))
    return ConfidenceBins(counts, *means)


def _place(sure: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(np.ceil(sure.astype(np.float64) * BINS).astype(int) - 1, 0, BINS - 1))
