"""Scores against values worked out by hand."""

import numpy as np
import pytest

from interfuse.core.errors import ConfigError
from interfuse.evaluation import aggregate_scores, calibration_error, example_scores

PROBS = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.4, 0.4, 0.2], [0.2, 0.2, 0.6]], dtype=np.float32)
LABELS = np.array([0, 1, 1, 0])


def test_multiclass_scores_are_hits_and_ties_go_to_the_first_class():
    assert example_scores(PROBS, LABELS, "multiclass").tolist() == [1.0, 1.0, 0.0, 0.0]


def test_multiclass_metrics_equal_their_definitions():
    found = aggregate_scores(PROBS, LABELS, "multiclass")
    assert found["accuracy"] == 0.5
    assert found["macro F1"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert found["NLL"] == pytest.approx(-np.mean(np.log([0.7, 0.8, 0.4, 0.2])))
    assert found["Brier"] == pytest.approx((0.14 + 0.06 + 0.56 + 1.04) / 4, abs=1e-6)


def test_calibration_error_weighs_the_gap_of_each_bin():
    assert calibration_error(PROBS, LABELS) == pytest.approx((0.3 + 0.2 + 0.4 + 0.6) / 4, abs=1e-6)


def test_multilabel_score_is_f1_of_the_row_and_one_where_both_sets_are_empty():
    probs = np.array([[0.9, 0.6, 0.1], [0.2, 0.3, 0.1], [0.2, 0.3, 0.1]], dtype=np.float32)
    labels = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0]], dtype=np.float32)
    assert example_scores(probs, labels, "multilabel") == pytest.approx([2 / 3, 1.0, 0.0])
    assert aggregate_scores(probs, labels, "multilabel")["micro F1"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("probs", "labels", "task", "message"),
    [
        ([[2.0, -1.0]], [0], "multiclass", r"from 0 to 1, got -1 to 2: give probabilities, not logits"),
        ([[np.nan, 0.5]], [0], "multiclass", "from 0 to 1, got nan"),
        ([[0.5, 0.4]], [0], "multiclass", "add up to 1, one is off by 0.1"),
        ([[0.5, 0.4]], [0], "multilabel", r"0 or 1 of shape \(1, 2\), got shape \(1,\)"),
        ([[0.5, 0.5]], [0], "ranking", "got task='ranking'"),
    ],
)
def test_what_are_no_probabilities_is_refused(probs, labels, task, message):
    with pytest.raises(ConfigError, match=message):
        example_scores(np.array(probs), np.array(labels), task)
