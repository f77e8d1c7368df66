"""Several trainings of one design: whether they are of one kind, and every number with its interval over them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from interfuse.core.diagnosis import Diagnosis, Measure, Value
from interfuse.evaluation.components import mean_interval
from interfuse.evaluation.phrases import interval_value

OTHERS = {
    ("emap", "interaction share"): (0.0, 1.0),
    ("permutation", "perceptual score of the image"): (-math.inf, math.inf),
    ("permutation", "perceptual score of the text"): (-math.inf, math.inf),
}
"""Numbers that are no mean over rows, by measure, to the bounds of their scale.

A perceptual score is a difference over a score, whose interval is symmetric as that of every difference.
"""


@dataclass(frozen=True)
class Contribution:
    """What each row adds to a number of a measure that is a mean over rows, in one training."""

    measure: str
    name: str
    """Of the number in the measure."""
    by_row: Float[np.ndarray, " rows"]
    groups: Int[np.ndarray, " rows"]
    """Rows of one group are one item of the interval."""
    lowest: float = -1.0
    """Least and"""
    highest: float = 1.0
    """greatest mean that there can be."""


def say_seeds(diagnoses: Sequence[Diagnosis], contributions: Sequence[Sequence[Contribution]]) -> Measure:
    """Return the measure of whether every seed's training is of the same kind, and each number over rows and trainings.

    Args:
        diagnoses: of each training, on the same rows.
        contributions: of each training, the same numbers in the same order.
    """
    kinds = [one.verdict.partition(":")[0].partition(" (")[0] for one in diagnoses]
    same = sum(kind == kinds[0] for kind in kinds)
    if same == len(diagnoses):
        verdict = f"The headline is the same in all {len(diagnoses)} trainings: {kinds[0]}."
    else:
        others = sorted({kind for kind in kinds if kind != kinds[0]})
        verdict = (
            f"The headline of {same} of {len(diagnoses)} trainings is: {kinds[0]}; of the others: {'; '.join(others)}."
        )
    values = [_over_rows_and_trainings(numbers, diagnoses[0]) for numbers in zip(*contributions, strict=True)]
    values += [_over_trainings(key, name, diagnoses, *bounds) for (key, name), bounds in OTHERS.items()]
    meaning = (
        "Each number's mean over the trainings with its 95 % interval over rows and trainings, both random: it speaks "
        "of the next training of this design on other such rows. What is no mean over rows has one over trainings "
        "alone."
    )
    return Measure(
        "seeds", "Is every training like this?", verdict, meaning, tuple(values), diagnoses[0].measures[0].rows
    )


def _over_rows_and_trainings(numbers: Sequence[Contribution], diagnosis: Diagnosis) -> Value:
    first = numbers[0]
    interval = mean_interval(
        np.stack([one.by_row for one in numbers]), first.groups, lowest=first.lowest, highest=first.highest
    )
    unit = next(value.unit for value in diagnosis.measure(first.measure).values if value.name == first.name)
    mean = min(max(interval.mean, first.lowest), first.highest)
    interval = replace(interval.within(first.lowest, first.highest), mean=mean)
    interval = replace(interval, low=min(interval.low, mean), high=max(interval.high, mean))
    return interval_value(f"{first.name}, {first.measure}", interval, unit)


def _over_trainings(key: str, name: str, diagnoses: Sequence[Diagnosis], lowest: float, highest: float) -> Value:
    numbers = [next(value for value in one.measure(key).values if value.name == name) for one in diagnoses]
    each = np.array([[number.value] for number in numbers])
    title = f"{name}, {key} (over trainings alone)"
    if len(numbers) == 1 or np.ptp(each) < 1e-12:  # nothing to tell how far the next one lies
        return Value(title, float(each.mean()), numbers[0].unit)
    return interval_value(title, mean_interval(each, lowest=lowest, highest=highest), numbers[0].unit)
