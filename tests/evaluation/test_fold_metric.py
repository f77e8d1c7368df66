"""A metric over folds is that of each fold, averaged: rows of different networks are not ranked together."""

import numpy as np
import pytest

from interfuse.evaluation import FoldMetric, draw_metric, draw_weights, make_metric


def folded(probs: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> FoldMetric:
    places = [np.flatnonzero(folds == fold) for fold in np.unique(folds)]
    both = np.stack([1 - probs, probs], axis=1)
    return FoldMetric([make_metric("AUC", both[rows], labels[rows], "matching") for rows in places], places)


def test_two_networks_that_each_rank_without_fault_have_an_area_of_one():
    """The second network gives all its rows more: pooled, its negatives would stand above the first one's positives."""
    labels, folds = np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1])
    probs = np.array([0.1, 0.2, 0.7, 0.8])
    pooled = make_metric("AUC", np.stack([1 - probs, probs], axis=1), labels, "matching")
    assert folded(probs, labels, folds)(np.ones(4)) == 1.0
    assert pooled(np.ones(4)) == 0.75


def test_a_fold_of_one_class_is_left_out():
    labels, folds = np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1])
    metric = folded(np.array([0.3, 0.2, 0.5, 0.6]), labels, folds)
    assert metric(np.ones(4)) == 0.0
    assert np.isnan(metric.by_fold(np.ones(4))).tolist() == [False, True]
    assert np.isnan(metric(np.array([1.0, 0.0, 1.0, 1.0])))  # no fold has both


def test_its_interval_counts_the_training_sets():
    random = np.random.default_rng(0)
    folds, labels = np.arange(200) % 4, random.integers(2, size=200)
    skill = np.array([0.0, 3.0, 0.0, 3.0])[folds]  # folds that differ by far more than their rows
    seeds = [folded(1 / (1 + np.exp(-(skill * (labels - 0.5) + random.normal(size=200)))), labels, folds) for _ in "ab"]
    drawn = draw_metric(seeds, draw_weights(np.arange(200)), 200)
    assert drawn.by_fold is not None
    assert drawn.own == pytest.approx([seed.by_fold(np.ones(200)).mean() for seed in seeds])
    assert drawn.by_fold == pytest.approx(np.array([seed.by_fold(np.ones(200)) for seed in seeds]))
    interval, paired = drawn.interval(), (drawn - drawn).by_fold
    assert interval.df == 3.0
    assert interval.standard_error > 0.5 * drawn.by_fold.mean(0).std(ddof=1)
    assert paired is not None
    assert paired.tolist() == [[0.0] * 4] * 2
