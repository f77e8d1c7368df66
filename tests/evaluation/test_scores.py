"""Scores against values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interfuse.core.errors import ConfigError
from interfuse.evaluation import aggregate_scores, calibration_error, example_scores
from interfuse.evaluation.scores import _check_labels
from tests.references import statistics

PROBS = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.4, 0.4, 0.2], [0.2, 0.2, 0.6]], dtype=np.float32)
LABELS = np.array([0, 1, 1, 0])


def test_multiclass_scores_are_hits_and_ties_go_to_the_first_class():
    assert example_scores(PROBS, LABELS, "multiclass").tolist() == [1.0, 1.0, 0.0, 0.0]


def test_multiclass_metrics_equal_their_definitions():
    found = aggregate_scores(PROBS, LABELS, "multiclass")
    assert found["accuracy"] == 0.5
    assert found["macro F1"] == pytest.approx((0.5 + 2 / 3 + 0) / 3)  # class 2 was answered, never right
    assert found["NLL"] == pytest.approx(-np.mean(np.log([0.7, 0.8, 0.4, 0.2])))
    assert found["Brier"] == pytest.approx((0.14 + 0.06 + 0.56 + 1.04) / 4, abs=1e-6)


def test_calibration_error_weighs_the_gap_of_each_bin():
    assert calibration_error(PROBS, LABELS) == pytest.approx((0.3 + 0.2 + 0.4 + 0.6) / 4, abs=1e-6)


def test_multilabel_score_is_f1_of_the_row_and_one_where_both_sets_are_empty():
    probs = np.array([[0.9, 0.6, 0.1], [0.2, 0.3, 0.1], [0.2, 0.3, 0.1]], dtype=np.float32)
    labels = np.array([[1, 0, 0], [0, 0, 0], [0, 1, 0]], dtype=np.float32)
    assert example_scores(probs, labels, "multilabel") == pytest.approx([2 / 3, 1.0, 0.0])
    assert aggregate_scores(probs, labels, "multilabel")["micro F1"] == pytest.approx(0.5)


def test_labels_of_another_number_of_rows_are_refused():
    with pytest.raises(ConfigError, match=r"class numbers \(4,\), got shape \(3,\)"):
        _check_labels(PROBS, LABELS[:3], "multiclass")  # beneath the shape checker of the tests


def test_an_edge_of_a_bin_belongs_to_the_bin_below():
    # 6/15 closes bin 6: with 0.38 in it the gaps cancel (one right, one wrong), in bins apart they would not
    probs = np.array([[0.4, 0.3, 0.3], [0.38, 0.32, 0.3]])
    assert calibration_error(probs, np.array([0, 1])) == pytest.approx(abs(0.5 - 0.39))


@given(seed=st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_multiclass_metrics_equal_slow_references(seed):
    draw = np.random.default_rng(seed)
    probs = draw.dirichlet(np.ones(4), 60)
    labels = draw.integers(0, 4, 60)
    found = aggregate_scores(probs, labels, "multiclass")
    answers = probs.argmax(1)
    assert found["macro F1"] == pytest.approx(statistics.macro_f1(labels.tolist(), answers.tolist()))
    slow = statistics.calibration_error(probs.max(1).tolist(), (answers == labels).tolist(), 15)
    assert found["ECE"] == pytest.approx(slow)
    by_row = [sum((p - (c == y)) ** 2 for c, p in enumerate(row)) for row, y in zip(probs.tolist(), labels)]
    assert found["Brier"] == pytest.approx(np.mean(by_row))


def test_multilabel_metrics_equal_slow_references():
    draw = np.random.default_rng(2)
    probs = draw.random((50, 4))
    labels = (draw.random((50, 4)) < probs).astype(float)
    labels[:, 3] = 0  # a label that never occurs has no average precision, and an F1 of zero
    found = aggregate_scores(probs, labels, "multilabel")
    chosen = probs >= 0.5
    f1 = [2 * (chosen[:, c] & (labels[:, c] == 1)).sum() / (chosen[:, c].sum() + labels[:, c].sum()) for c in range(4)]
    assert found["macro F1"] == pytest.approx(np.mean(f1))
    precisions = [statistics.average_precision((labels[:, c] == 1).tolist(), probs[:, c].tolist()) for c in range(3)]
    assert found["mAP"] == pytest.approx(np.mean(precisions))
    assert found["example F1"] == example_scores(probs, labels, "multilabel").mean()
    assert list(found) == ["example F1", "micro F1", "macro F1", "mAP"]


def test_a_certain_wrong_answer_has_a_finite_likelihood():
    found = aggregate_scores(np.array([[1.0, 0.0]]), np.array([1]), "multiclass")
    assert found["NLL"] == pytest.approx(-np.log(1e-12))
    assert (found["Brier"], found["ECE"]) == (2.0, 1.0)


def test_the_mean_of_a_regressions_row_scores_is_r_squared():
    draw = np.random.default_rng(0)
    true = draw.normal(50, 9, 40)
    predicted = true + draw.normal(0, 4, 40)
    scores = example_scores(predicted[:, None], true, "regression")
    found = aggregate_scores(predicted[:, None], true, "regression")
    rest, spread = sum((true - predicted) ** 2), sum((true - true.mean()) ** 2)
    assert scores.mean() == pytest.approx(1 - rest / spread)
    assert found == pytest.approx({"R²": 1 - rest / spread, "MSE": rest / 40, "MAE": sum(abs(true - predicted)) / 40})
    assert example_scores(np.array([[2.0], [3.0]]), np.array([2.0, 2.0]), "regression").tolist() == [1.0, 0.0]


@given(seed=st.integers(0, 200))
@settings(max_examples=20, deadline=None)
def test_auc_is_the_share_of_pairs_in_the_right_order(seed):
    draw = np.random.default_rng(seed)
    labels = np.array([0, 1, *draw.integers(0, 2, 20)])
    fits = draw.integers(0, 11, 22) / 10  # with ties
    slow = [
        1.0 if high > low else 0.5 if high == low else 0.0 for high in fits[labels == 1] for low in fits[labels == 0]
    ]
    found = aggregate_scores(np.stack([1 - fits, fits], 1), labels, "matching")
    assert list(found)[:2] == ["accuracy", "AUC"]
    assert found["AUC"] == pytest.approx(np.mean(slow))
    assert found["accuracy"] == pytest.approx(((fits > 0.5) == labels).mean())


def test_auc_is_left_out_where_one_class_alone_occurs():
    assert "AUC" not in aggregate_scores(
        PROBS[:2, :2] / PROBS[:2, :2].sum(1, keepdims=True), LABELS[:2] * 0, "matching"
    )


@pytest.mark.parametrize(
    ("probs", "labels", "task", "message"),
    [
        ([[2.0, -1.0]], [0], "multiclass", r"from 0 to 1, got -1 to 2: give probabilities, not logits"),
        ([[np.nan, 0.5]], [0], "multiclass", "from 0 to 1, got nan"),
        ([[0.5, 0.4]], [0], "multiclass", "add up to 1, one is off by 0.1"),
        ([[0.5, 0.4]], [0], "multilabel", r"0 or 1 of shape \(1, 2\), got shape \(1,\)"),
        ([[0.5, 0.5]], [0], "ranking", "got task='ranking'"),
        ([[0.5, 0.5]], [2], "multiclass", "whole, from 0 to 1, got 2"),
        ([[0.5, 0.5]], [-1], "multiclass", "whole, from 0 to 1, got -1"),
        ([[0.5, 0.5]], [0.5], "multiclass", r"whole, from 0 to 1, got 0\.5"),
        ([[0.5, 0.5]], [[1, 0]], "multiclass", r"class numbers \(1,\), got shape \(1, 2\)"),
        ([[0.5, 0.5]], [[2, 0]], "multilabel", "0 or 1, got 2"),
        (np.zeros((0, 2)), [], "multiclass", "no row to score"),
        ([[0.5, 0.5]], [0.5], "regression", r"finite and \(rows, 1\), got shape \(1, 2\)"),
        ([[np.nan]], [0.5], "regression", "Predicted numbers are finite"),
        ([[1.0]], [np.nan], "regression", "Regression labels are finite"),
    ],
)
def test_what_are_no_probabilities_is_refused(probs, labels, task, message):
    with pytest.raises(ConfigError, match=message):
        example_scores(np.array(probs), np.array(labels), task)
