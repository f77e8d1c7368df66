"""Intervals over splits: the corrected resampled t, by a known answer and with learners that are trained in truth."""

from dataclasses import replace

import numpy as np
import pytest

from interfuse.core.errors import ConfigError
from interfuse.evaluation import Resplit
from tests.evaluation.learners import Task, draw_rows, train

REPEATS = 300  # standard error of a coverage near 95 %: 1.3 points
LUCKY = Task(rows=100, features=30, distance=1.5, seeds=1, luck=1.0)
PLAIN = Task(rows=200, features=8, distance=1.0, seeds=1)
SHARE = 0.15


def coverage(task: Task, repetitions: int, share: float = SHARE) -> tuple[float, float]:
    """Return how often intervals cover the difference of two designs, and the score of one.

    Args:
        task: what is learnt.
        repetitions: splits of the same rows.
        share: of the test rows, as the interval is told.
    """
    random, differences, scores, accuracies = np.random.default_rng(0), [], [], []
    for _ in range(REPEATS):
        labels, inputs = draw_rows(task, random)
        means = []
        for _ in range(repetitions):
            test = random.permutation(task.rows) < SHARE * task.rows
            study = train(task, inputs, labels, test, random)
            means.append(study.right.mean((1, 2)))
            accuracies.append(study.accuracy)
        first, second = (Resplit(np.array(one), share) for one in np.transpose(means))
        differences.append((first - second).interval())
        scores.append(first.interval())
    truth = float(np.mean(accuracies))
    return (
        float(np.mean([one.low <= 0 <= one.high for one in differences])),
        float(np.mean([one.low <= truth <= one.high for one in scores])),
    )


@pytest.mark.parametrize("repetitions", [5, 10])
@pytest.mark.parametrize("task", [LUCKY, PLAIN], ids=["lucky", "plain"])
def test_an_interval_over_splits_covers_what_new_rows_and_trainings_give(task, repetitions):
    difference, own = coverage(task, repetitions)
    assert 0.92 <= difference <= 0.995
    assert 0.90 <= own <= 0.995


def test_without_the_correction_ten_splits_would_cover_far_less():
    for covered in coverage(PLAIN, 10, share=1e-9):
        assert covered < 0.9


def test_the_interval_is_that_of_the_formula():
    """R = 3, s = 0.02, n₂/n₁ = 1/4: V = (1/3 + 1/4) · 4e-4; t of 2 degrees of freedom is 4.302653."""
    interval = Resplit(np.array([0.08, 0.1, 0.12]), 0.2).interval()
    assert interval.standard_error == pytest.approx(0.02 * np.sqrt(7 / 12))
    assert interval.high - interval.mean == pytest.approx(4.302653 * interval.standard_error, rel=1e-6)
    assert (interval.mean, interval.df, interval.seeds) == (pytest.approx(0.1), 2.0, 3)
    assert interval.p == pytest.approx(0.0225, abs=2e-4)


def test_splits_that_never_differ_have_no_width_and_an_undefined_metric_is_said():
    same = Resplit(np.array([0.5, 0.5]), 0.15)
    assert (same - same).interval().p == 1.0
    assert (same.interval().low, same.interval().high, same.interval().p) == (0.5, 0.5, 0.0)
    with pytest.raises(ConfigError, match="undefined on the test rows of a split"):
        replace(same, own=np.array([0.5, np.nan])).interval()


def test_what_is_no_repetition_is_refused():
    with pytest.raises(ConfigError, match="two of them or more, got 1"):
        Resplit(np.array([0.5]), 0.15)
    with pytest.raises(ConfigError, match="between 0 and 1, got 1"):
        Resplit(np.array([0.5, 0.6]), 1.0)
