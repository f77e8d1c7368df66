"""Learning curves, expected maxima and the record that they are read from."""

import pytest

from interfuse.reports.curves import draw_expected, draw_learning, find_curves
from interfuse.reports.styles import Look
from interfuse.reports.tuned import expected_lines
from tests.reports.conftest import history


def test_a_curve_is_the_mean_over_seeds_in_its_band_up_to_the_last_epoch_of_all():
    curve = find_curves({"a": {0: history(4), 1: history(3, 0.4)}})["a"]
    assert [epoch for epoch, _ in curve.mean] == [1, 2, 3]  # the second seed stopped after three epochs
    assert [value for _, value in curve.mean] == pytest.approx([55, 65, 75])
    assert [value for _, value in curve.low] == pytest.approx([50, 60, 70])
    assert [value for _, value in curve.high] == pytest.approx([60, 70, 80])


def test_the_baseline_lies_behind_every_other_design():
    curves = find_curves({"a": {0: history(3)}, "base": {0: history(3, 0.2)}})
    drawn = draw_learning(curves, dict.fromkeys(curves, Look("var(--ink)", "square")), "base")
    assert drawn["a"].count('class="ghost"') == 1
    assert "ghost" not in drawn["base"]
    assert find_curves({"a": {0: [{"epoch": 1, "validation_score": None}]}}) == {}


def test_the_expected_maximum_is_computed_from_the_trials():
    assert expected_lines({"trials": {"a": [0.0, 1.0]}}) == {"a": pytest.approx([0.5, 1.0])}


def test_a_study_without_tuning_has_no_such_line():
    for study in ({}, {"trials": None}, {"trials": {"a": []}}):
        assert expected_lines(study) == {}
    assert draw_expected({}, {}, "accuracy") is None
