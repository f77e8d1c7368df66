"""Whether the epochs were enough for the comparison: who was still learning when they ended."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from jaxtyping import Float

from interfuse.evaluation.contrasts import ALPHA

NAMED = 5
"""So many designs are named, those that gained most first."""


@dataclass(frozen=True)
class Learning:
    """How one design's validation went, training by training."""

    curves: Sequence[Sequence[float]]
    """Of each training, the validation score of each epoch, fractions; higher is better."""
    scores: Float[np.ndarray, "seeds validation_rows"]
    """Row scores of the trained networks on the rows of the curves: their spread says how far chance moves a mean."""

    @property
    def gains(self) -> list[float]:
        """Return what each training gained over the last quarter of its epochs, rounded up to whole epochs.

        One epoch has no past to gain over, and is left out.

        >>> [round(gain, 2) for gain in Learning([[0.5, 0.6, 0.7, 0.75]], np.zeros((1, 9))).gains]
        [0.05]
        """
        return [end - start for start, end in self._ends()]

    @property
    def row_variance(self) -> float:
        """Return at most how much the choice of validation rows varies the gain of one training without any learning.

        `2 v / n`: two epochs that have no row's luck in common; what persists from epoch to epoch makes it less. v is
        the variance of the row scores as if one row more were wrong. It is taken for the more errors that there were a
        quarter earlier: of two equally good epochs the luckier one looks the surer, too.
        """
        rows = self.scores.shape[1]
        variance = (rows * float(self.scores.var()) + 1) / (rows + 1)
        start, end = (1 - float(np.mean(scores)) + 1 / rows for scores in zip(*self._ends(), strict=True))
        return float(2 * variance * max(1.0, start / end) / rows)

    @property
    def bounce(self) -> float:
        """Return how much a gain varies by the jumps of the later half of the curves: a third of the mean of d².

        With d the second differences, which a steady rise leaves at 0, and whose mean square is 6 σ² where each epoch
        is σ off by itself. It is above `row_variance` where training itself is restless, or rows share pictures.
        """
        bends = [np.diff(curve[-max(4, math.ceil(len(curve) / 2)) :], 2) for curve in self.curves if len(curve) > 2]
        squares = np.concatenate([np.square(bend) for bend in bends]) if bends else np.zeros(1)
        return float(squares.mean()) / 3

    def _ends(self) -> list[tuple[float, float]]:
        return [(curve[-1 - math.ceil(len(curve) / 4)], curve[-1]) for curve in self.curves if len(curve) > 1]


def say_budget(learning: Mapping[str, Learning], margin: float, metric: str) -> list[str]:
    """Warn where designs were still learning at the end by more than a difference that matters, and than chance.

    A ranking holds for its budget alone: what learns slowly is behind in few epochs, and may be ahead in more.

    A design is named where the median over its trainings is above the margin, and the mean above what chance reaches
    in one study of twenty, over all designs (Bonferroni) and with the larger of `row_variance` and `bounce`.

    Args:
        learning: name of each design to how its validation went.
        margin: the smallest difference worth a win, a fraction.
        metric: of these scores.
    """
    gains = {name: entry.gains for name, entry in learning.items()}
    gains = {name: values for name, values in gains.items() if values}
    if not gains:
        return []
    width = float(scipy.stats.norm.isf(ALPHA / len(gains)))
    medians = {}
    for name, values in gains.items():
        variance = max(learning[name].row_variance, learning[name].bounce)
        if np.median(values) > margin and np.mean(values) > width * math.sqrt(variance / len(values)):
            medians[name] = float(np.median(values))
    if not medians:
        return []
    slow = sorted(medians, key=lambda name: -medians[name])
    names = ", ".join(f"{name} (+{100 * medians[name]:.1f})" for name in slow[:NAMED])
    more = f" and {len(slow) - NAMED} more" if len(slow) > NAMED else ""
    return [
        f"Still learning when the epochs ended, by points of validation {metric} gained in the last quarter of "
        f"them: {names}{more}. The ranking is that of this budget; more epochs may change it."
    ]
