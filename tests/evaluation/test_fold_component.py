"""Intervals over folds: what the training sets add, by known answers and with learners that are trained in truth."""

from dataclasses import replace

import numpy as np
import pytest

from interfuse.core.errors import ConfigError
from interfuse.evaluation import FoldMeans, fold_means, measure_components
from tests.evaluation.learners import Task, draw_rows, train

REPEATS = 300  # standard error of a coverage near 95 %: 1.3 points
LUCKY = Task(rows=100, features=30, distance=1.5, luck=1.0)
"""As many features as a fifth of the rows or more: the training set decides much."""
PLAIN = Task(rows=200, features=8, distance=1.0)


def coverage(task: Task, folds: int, widen: bool) -> tuple[float, float]:
    """Return how often intervals cover the difference of two designs, and the score of one."""
    random, differences, scores, accuracies = np.random.default_rng(0), [], [], []
    for _ in range(REPEATS):
        labels, inputs = draw_rows(task, random)
        of_row = random.permutation(task.rows) % folds
        right = np.zeros((2, task.seeds, task.rows))
        for fold in range(folds):
            study = train(task, inputs, labels, of_row == fold, random)
            right[:, :, of_row == fold] = study.right
            accuracies.append(study.accuracy)
        for intervals, table in ((differences, right[0] - right[1]), (scores, right[0])):
            parts = measure_components(table)
            intervals.append((replace(parts, folds=fold_means(table, of_row)) if widen else parts).interval())
    truth = float(np.mean(accuracies))
    return (
        float(np.mean([one.low <= 0 <= one.high for one in differences])),
        float(np.mean([one.low <= truth <= one.high for one in scores])),
    )


@pytest.mark.parametrize("folds", [5, 10])
@pytest.mark.parametrize("task", [LUCKY, PLAIN], ids=["lucky", "plain"])
def test_an_interval_over_folds_covers_what_new_training_sets_give(task, folds):
    difference, own = coverage(task, folds, widen=True)
    assert 0.92 <= difference <= 0.995
    assert 0.90 <= own <= 0.995


@pytest.mark.parametrize("folds", [5, 10])
def test_rows_and_seeds_alone_cover_too_little_where_training_sets_matter(folds):
    for covered in coverage(LUCKY, folds, widen=False):
        assert covered < 0.92


def test_the_variance_is_that_of_the_formula():
    """K = 5, V₀ = 1e-4, S² = 2.5e-3: T = 2e-3, V = 1.25e-4 + 0.45 · 2e-3, df by hand 3.3, so 4."""
    values = np.array([-0.05, 0.05, -0.05, 0.05, 0.0]) + 0.1
    assert values.var(ddof=1) == pytest.approx(2.5e-3)
    variance, df = FoldMeans(values).widen(1e-4, 50.0)
    assert variance == pytest.approx(1.25e-4 + 0.45 * 2e-3)
    assert df == 4.0


def test_folds_that_differ_by_their_rows_alone_keep_their_degrees_of_freedom():
    variance, df = FoldMeans(np.array([0.09, 0.1, 0.11, 0.1, 0.1])).widen(4e-4, 50.0)
    assert (variance, df) == (pytest.approx(5e-4), 50.0)


def test_a_fold_mean_is_over_its_rows_and_all_seeds():
    scores = np.array([[1.0, 0.0, 1.0, 1.0], [1.0, 0.0, 0.0, 1.0]])
    folds = np.array([0, 1, 1, 0])
    assert fold_means(scores, folds).values.tolist() == [1.0, 0.25]
    assert (fold_means(scores, folds) - fold_means(1 - scores, folds)).values.tolist() == [1.0, -0.5]
    assert fold_means(scores, folds).widen(0.0, 3.0) == (0.0, 3.0)  # no spread: `unvaried` says what may be missed


def test_what_is_no_cross_validation_is_refused():
    with pytest.raises(ConfigError, match="two folds or more"):
        fold_means(np.ones((2, 3)), np.zeros(3, dtype=int))
