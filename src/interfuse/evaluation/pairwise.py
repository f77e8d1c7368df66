"""Every design against every other on the same rows and seeds."""

import itertools
import math
from collections.abc import Mapping

from interfuse.core.records import Contrast
from interfuse.core.tasks import lowest_score
from interfuse.evaluation.comparison import DesignScores, difference
from interfuse.evaluation.holm import holm
from interfuse.evaluation.intervals import Interval


def compare_pairs(scores: Mapping[str, DesignScores], task: str = "multiclass") -> list[Contrast]:
    """Contrast each pair once, the earlier name minus the later one; Holm's family is all of these pairs.

    The verdicts do not rest on this family: they contrast with the baseline alone, which is fewer questions and so
    the sharper test.

    Args:
        scores: each design's scores by its name, all on the same rows and seeds.
        task: of the rows; regression's scores have no lower bound.
    """
    lowest = lowest_score(task)
    names = list(itertools.combinations(scores, 2))
    intervals: list[Interval] = [difference(scores[first], scores[second], lowest) for first, second in names]
    p_values = holm([interval.p for interval in intervals])
    return [
        Contrast(*pair, interval.mean, _finite(interval.low), _finite(interval.high), p)
        for pair, interval, p in zip(names, intervals, p_values, strict=True)
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
