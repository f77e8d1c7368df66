"""The scores of the designs that studies share, read from what is stored."""

import math

import numpy as np
import scipy

from interfuse.core.errors import DataError
from interfuse.core.ranking import DataSetDifference
from interfuse.evaluation import Interval, SharedScores
from interfuse.workflows.rank.study_group import StudyGroup

LEAST_ERROR = 1e-6
"""Smallest standard error that a data set is granted, a fraction: of two designs that never differ it would be 0."""


def read_shared(group: StudyGroup) -> SharedScores:
    """Read each shared design's score and its difference from the baseline on every data set.

    Raises:
        DataError: a study is not finished, or too small for any interval.
    """
    scores: list[list[float]] = []
    differences: dict[str, list[DataSetDifference]] = {n: [] for n in group.roles if n != group.baseline}
    for study, names, data_set in zip(group.studies, group.names, group.data_sets, strict=True):
        results = study.contrasts(names[group.baseline], group.metric)
        by_name = {result.design: result for result in results}
        scores.append([by_name[names[name]].mean.mean for name in group.roles])
        for name, own in differences.items():
            delta = by_name[names[name]].delta
            if delta is None or not math.isfinite(delta.interval.standard_error):
                raise DataError(
                    f"{data_set.name} gives no interval: it was tested on one row with one seed. Leave it out."
                )
            interval = delta.interval
            own.append(
                DataSetDifference(
                    interval.mean, interval.low, interval.high, max(standard_error(interval), LEAST_ERROR)
                )
            )
    return SharedScores(group.roles, np.array(scores), differences)


def standard_error(interval: Interval) -> float:
    """Return the interval's standard error; where nothing varied, that of a normal interval as wide."""
    if interval.standard_error > 0:
        return interval.standard_error
    return (interval.high - interval.low) / (2 * float(scipy.stats.norm.ppf(0.975)))
