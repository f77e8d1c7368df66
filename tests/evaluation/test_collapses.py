"""Trainings that collapsed, of scores and of errors."""

import numpy as np
import pytest

from interfuse.evaluation import DesignScores, find_collapses, interquartile_mean, say_collapses


def test_a_training_far_below_the_others_is_found_and_small_differences_are_not():
    assert find_collapses(np.array([0.81, 0.80, 0.42, 0.82, 0.81])) == [2]
    assert find_collapses(np.array([0.81, 0.80, 0.77, 0.82, 0.81])) == []  # three points are no collapse
    assert find_collapses(np.array([0.8, 0.4])) == []  # of two nobody can tell


def test_of_errors_the_larger_is_the_worse():
    assert find_collapses(np.array([0.2, 0.2, 0.9, 0.2]), lower=True) == [2]
    assert find_collapses(np.array([0.9, 0.9, 0.2, 0.9]), lower=True) == []


def test_the_interquartile_mean_leaves_out_what_collapsed():
    assert interquartile_mean(np.array([0.81, 0.80, 0.42, 0.82])) == pytest.approx(0.805)
    assert interquartile_mean(np.array([0.81, 0.80, 0.42])) == pytest.approx(0.80)


def test_it_is_said_how_many_and_with_both_means():
    rows = np.ones((5, 50)) * np.array([0.8, 0.8, 0.1, 0.8, 0.8])[:, None]
    scores = DesignScores(rows, np.empty((5, 0)), np.arange(50), False, False)
    (sentence,) = say_collapses({"gmu": scores})
    assert "1 of 5 trainings of gmu (mean 66.0, interquartile mean 80.0)" in sentence
    assert say_collapses({"gmu": DesignScores(rows[:2], np.empty((2, 0)), np.arange(50), False, False)}) == []
