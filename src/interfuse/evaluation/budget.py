"""Whether the epochs were enough for the comparison: who was still learning when they ended."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

NAMED = 5
"""So many designs are named, those that gained most first."""


def late_gain(curves: Sequence[Sequence[float]]) -> float:
    """Return what a design's validation gained over the last quarter of its epochs: the median over its trainings.

    The last quarter is rounded up to whole epochs. One epoch has no past to gain over, and gives 0.

    Args:
        curves: of each training, the validation score of each epoch, fractions; higher is better.

    >>> round(late_gain([[0.5, 0.6, 0.7, 0.75]]), 2)
    0.05
    """
    gains = [curve[-1] - curve[-1 - math.ceil(len(curve) / 4)] for curve in curves if len(curve) > 1]
    return float(np.median(gains)) if gains else 0.0


def say_budget(curves: Mapping[str, Sequence[Sequence[float]]], margin: float, metric: str) -> list[str]:
    """Warn where designs were still learning at the end by more than a difference that matters.

    A ranking holds for its budget alone: what learns slowly is behind in few epochs, and may be ahead in more.

    Args:
        curves: name of each design to its trainings' validation scores by epoch.
        margin: the smallest difference worth a win, a fraction.
        metric: of these scores.
    """
    gains = {name: late_gain(trainings) for name, trainings in curves.items()}
    slow = sorted((name for name, gain in gains.items() if gain > margin), key=lambda name: -gains[name])
    if not slow:
        return []
    names = ", ".join(f"{name} (+{100 * gains[name]:.1f})" for name in slow[:NAMED])
    more = f" and {len(slow) - NAMED} more" if len(slow) > NAMED else ""
    return [
        f"Still learning when the epochs ended, by points of validation {metric} gained in the last quarter of "
        f"them: {names}{more}. The ranking is that of this budget; more epochs may change it."
    ]
