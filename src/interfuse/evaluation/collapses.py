"""Trainings that collapsed: far worse than the others of their design, for no reason that the design shares."""

from collections.abc import Mapping

import numpy as np
import scipy
from jaxtyping import Float

from interfuse.evaluation.design_scores import DesignScores

FAR, LEAST = 5.0, 0.05
"""A collapse lies this many robust standard deviations below the median, and five points at least."""


def find_collapses(by_seed: Float[np.ndarray, " seeds"], lower: bool = False) -> list[int]:
    """Return the numbers of the seeds whose training collapsed; of fewer than three seeds nobody can tell.

    Args:
        by_seed: score of each training, a fraction.
        lower: the scores are errors.

    >>> find_collapses(np.array([0.81, 0.80, 0.42, 0.82, 0.81]))
    [2]
    """
    if len(by_seed) < 3:
        return []
    depth = (np.median(by_seed) - by_seed) * (-1 if lower else 1)
    scale = 1.4826 * float(np.median(np.abs(depth)))
    return [int(seed) for seed in np.flatnonzero(depth > max(FAR * scale, LEAST))]


def interquartile_mean(by_seed: Float[np.ndarray, " seeds"]) -> float:
    """Return the mean of the middle half of the trainings, of which one that collapsed is none; of three the median.

    Reference:
        Agarwal et al. 2021, https://arxiv.org/abs/2108.13264.
    """
    return float(np.median(by_seed) if len(by_seed) < 4 else scipy.stats.trim_mean(by_seed, 0.25))


def say_collapses(scores: Mapping[str, DesignScores], lower: bool = False) -> list[str]:
    """Return the sentence on trainings that collapsed, with each such design's interquartile mean."""
    designs = {name: find_collapses(entry.by_seed(), lower) for name, entry in scores.items()}
    phrases = [
        f"{len(seeds)} of {scores[name].seeds} trainings of {name} (mean {100 * scores[name].by_seed().mean():.1f}, "
        f"interquartile mean {100 * interquartile_mean(scores[name].by_seed()):.1f})"
        for name, seeds in designs.items()
        if seeds
    ]
    if not phrases:
        return []
    return [
        f"Collapsed, far worse than the others of their design: {'; '.join(phrases)}. A mean over few seeds tells "
        "little of a design that collapses now and then: its interval covers the truth far less than 95 times in 100."
    ]
