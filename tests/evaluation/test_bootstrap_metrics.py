"""Metrics of weighted rows: scikit-learn's, and intervals from shared resamples."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from interfuse.core.errors import ConfigError
from interfuse.evaluation import (
    WEIGHTED,
    DesignScores,
    aggregate_scores,
    bootstrap,
    bootstrap_interval,
    compare_designs,
    compare_pairs,
    draw_metric,
    draw_weights,
    make_metric,
)
from interfuse.evaluation.bootstrap import Resampling

ROWS, CLASSES = 137, 5


def answers(task: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities with ties, labels, and weights among which are zeros."""
    draw = np.random.default_rng(3)
    weights = draw.integers(0, 4, ROWS).astype(float)
    if task == "multilabel":
        labels = (draw.random((ROWS, CLASSES)) < 0.3).astype(int)
        labels[:, 3] = 0  # a label that never occurs
        return np.round(np.clip(0.3 * labels + draw.random((ROWS, CLASSES)) * 0.7, 0, 1), 1), labels, weights
    classes = 2 if task == "matching" else CLASSES
    labels = draw.integers(0, classes - (task == "multiclass"), ROWS)
    logits = np.round(draw.normal(size=(ROWS, classes)) + 0.8 * np.eye(classes)[labels], 0)
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True), labels, weights


def by_scikit(name: str, probs: np.ndarray, labels: np.ndarray, weights: np.ndarray, task: str) -> float:
    if name == "AUC":
        return roc_auc_score(labels, probs[:, 1], sample_weight=weights)
    if name == "mAP":
        occurring = (weights @ labels) > 0
        return average_precision_score(labels[:, occurring], probs[:, occurring], sample_weight=weights)
    chosen = (probs >= 0.5).astype(int) if task == "multilabel" else probs.argmax(1)
    kept = weights > 0
    average = name.split()[0]
    return f1_score(labels[kept], chosen[kept], average=average, sample_weight=weights[kept], zero_division=0.0)


@pytest.mark.parametrize(("task", "name"), [(task, name) for task, names in WEIGHTED.items() for name in names])
def test_a_weighted_metric_is_scikit_learns_and_with_weights_one_the_tables(task, name):
    probs, labels, weights = answers(task)
    metric = make_metric(name, probs, labels, task)
    assert_allclose(metric(weights), by_scikit(name, probs, labels, weights, task), atol=1e-12)
    plain = aggregate_scores(probs, labels, task)[name]
    assert_allclose(plain, by_scikit(name, probs, labels, np.ones(ROWS), task), atol=1e-12)
    assert metric(np.ones(ROWS)) == plain
    assert abs(metric(weights) - metric(np.ones(ROWS))) > 1e-3


@pytest.mark.parametrize(("task", "name"), [(task, name) for task, names in WEIGHTED.items() for name in names])
def test_many_weightings_at_once_give_what_each_gives_alone(task, name, monkeypatch):
    probs, labels, _ = answers(task)
    metric = make_metric(name, probs, labels, task)
    weights = draw_weights(np.arange(ROWS), Resampling(draws=7))
    weights[3] = 0  # a metric without rows is undefined, or 0 where a label that never occurs counts 0
    alone = np.array([metric(row) for row in weights])
    assert_allclose(metric(weights), alone, atol=1e-12)
    monkeypatch.setattr(bootstrap, "CELLS", 2 * ROWS + 1)  # in pieces of two resamples, the last of one
    assert_allclose(draw_metric([metric], weights, ROWS).draws[:, 0], alone, atol=1e-12)


def test_a_metric_that_the_task_lacks_is_refused():
    probs, labels, _ = answers("matching")
    with pytest.raises(ConfigError, match="matching has AUC, macro F1; got 'mAP'"):
        make_metric("mAP", probs, labels, "matching")


def test_one_class_alone_has_no_auc_and_too_few_rows_of_a_class_are_refused():
    probs, labels, _ = answers("matching")
    metric = make_metric("AUC", probs, labels, "matching")
    assert np.isnan(metric(labels.astype(float)))
    rare = np.zeros(ROWS, dtype=int)
    drawn = draw_metric([make_metric("AUC", probs, rare, "matching")], draw_weights(np.arange(ROWS)), ROWS)
    with pytest.raises(ConfigError, match="undefined on most resamples"):
        drawn.interval()


def test_weights_draw_whole_groups_as_many_as_there_are():
    groups = np.array([5, 2, 2, 9, 5, 7])
    weights = draw_weights(groups, Resampling(draws=400))
    assert (weights[:, 0] == weights[:, 4]).all()
    assert (weights[:, 1] == weights[:, 2]).all()
    assert (weights[:, [0, 1, 3, 5]].sum(1) == 4).all()
    assert_allclose(weights.mean(0), 1, atol=0.2)
    with pytest.raises(ConfigError, match="at least two groups"):
        draw_weights(np.zeros(4, dtype=int))


def study(draw, rows: int, seed_sd: float, shifts: tuple[float, ...]) -> tuple[list[np.ndarray], np.ndarray]:
    """Scores of designs: normal around their shift for positives, a shift of its own for each of five trainings."""
    labels = np.repeat([0, 1], rows // 2)
    shared = draw.normal(size=rows)
    return [
        (0.8 * shared + 0.6 * draw.normal(size=rows))[None] * np.ones((5, 1))
        + labels * (shift + draw.normal(scale=seed_sd, size=(5, 1)))
        for shift in shifts
    ], labels


def draws_of(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray, name: str = "AUC"):
    probs = 1 / (1 + np.exp(-scores))
    metrics = [make_metric(name, np.stack([1 - p, p], 1), labels, "matching") for p in probs]
    return draw_metric(metrics, weights, len(labels))


def auc_by_ranks(scores: np.ndarray, labels: np.ndarray) -> float:
    """The statistic of Mann and Whitney over the number of pairs; scikit-learn's own takes 1 ms a call."""
    positives = int(labels.sum())
    ranks = rankdata(scores)[labels == 1].sum() - positives * (positives + 1) / 2
    return float(ranks / (positives * (len(labels) - positives)))


def test_it_agrees_with_the_interval_that_asks_any_metric_one_resample_at_a_time():
    (first, second), labels = study(np.random.default_rng(0), 400, 0.1, (1.0, 1.3))
    weights = draw_weights(np.arange(400), Resampling(draws=600))
    ours = (draws_of(first, labels, weights) - draws_of(second, labels, weights)).interval()
    assert_allclose(auc_by_ranks(first[0], labels), roc_auc_score(labels, first[0]), atol=1e-12)
    slow = bootstrap_interval(auc_by_ranks, first, labels, rival=second, how=Resampling(draws=300, seed=9))
    assert_allclose(ours.mean, slow.mean, atol=1e-12)
    assert_allclose(ours.standard_error, slow.standard_error, rtol=0.1)


@pytest.mark.parametrize("name", ["AUC", "macro F1"])
def test_an_interval_of_a_difference_covers_the_truth_91_to_98_times_in_100(name):
    draw, covered, repeats = np.random.default_rng(1), 0, 200
    for number in range(repeats):  # two designs of one kind: the true difference is 0
        (first, second), labels = study(draw, 300, 0.15, (1.0, 1.0))
        weights = draw_weights(np.arange(300), Resampling(draws=100, seed=number))
        found = (draws_of(first, labels, weights, name) - draws_of(second, labels, weights, name)).interval()
        covered += found.low <= 0 <= found.high
    assert 0.91 <= covered / repeats <= 0.98


def test_designs_are_compared_by_the_metric_where_it_was_drawn():
    scores, labels = study(np.random.default_rng(2), 400, 0.02, (0.5, 1.5))
    weights, groups = draw_weights(np.arange(400)), np.arange(400)
    zeros = np.zeros((5, 400))
    entries = {
        name: DesignScores(zeros, np.ones((5, 1)), groups, False, False, draws_of(part, labels, weights))
        for name, part in zip(("weak", "strong"), scores, strict=True)
    }
    comparison = compare_designs(entries, "weak")
    found = {result.design: result for result in comparison.results}
    assert found["strong"].verdict == "surely wins"
    assert_allclose(found["strong"].delta.mean, entries["strong"].drawn.own.mean() - entries["weak"].drawn.own.mean())
    assert found["strong"].mean.low < found["strong"].mean.mean < found["strong"].mean.high
    (pair,) = compare_pairs(entries, comparison.rules)
    assert_allclose((pair.delta, pair.low), (-found["strong"].delta.mean, -found["strong"].delta.interval.high))
