import numpy as np
import pytest
from scipy.special import softmax

from interfuse.core.errors import ConfigError
from interfuse.evaluation.calibration import (
    fit_temperature,
    is_at_bound,
    measure_calibration,
    negative_log_likelihood,
)
from tests.references.interaction import calibration_by_loops


def drawn(rows: int = 400, heat: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose true temperature is `heat`: the labels are drawn from softmax(logits / heat)."""
    draw = np.random.default_rng(0)
    logits = 2.0 * draw.normal(size=(rows, 3))
    probs = softmax(logits / heat, -1)
    return logits, np.array([draw.choice(3, p=p) for p in probs])


def test_error_likelihood_and_brier_are_what_loops_find():
    logits, labels = drawn()
    found = measure_calibration(logits, labels, "multiclass")
    expected = calibration_by_loops(softmax(logits, -1), labels)
    assert (found.ece, found.nll, found.brier) == pytest.approx(expected)
    assert sum(part for part, _, _ in found.bins) == pytest.approx(1.0)
    assert sum(part * abs(sure - right) for part, sure, right in found.bins) == pytest.approx(found.ece)


@pytest.mark.parametrize("heat", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_is_the_one_the_labels_were_drawn_with(heat):
    logits, labels = drawn(20_000, heat)
    assert fit_temperature(logits, labels, "multiclass") == pytest.approx(heat, rel=0.06)


def test_no_temperature_of_a_fine_grid_fits_better():
    logits, labels = drawn(300, 2.0)
    best = fit_temperature(logits, labels, "multiclass")
    losses = [negative_log_likelihood(logits / t, labels, "multiclass") for t in np.geomspace(0.05, 20, 400)]
    assert negative_log_likelihood(logits / best, labels, "multiclass") <= min(losses) + 1e-9


def test_cooling_fixes_a_model_that_is_too_sure_and_leaves_its_answers():
    logits, labels = drawn(5_000, 3.0)
    best = fit_temperature(logits, labels, "multiclass")
    before, after = (measure_calibration(logits, labels, "multiclass", t) for t in (1.0, best))
    assert before.ece > 0.1 > 0.03 > after.ece
    assert after.nll < before.nll
    assert after.brier < before.brier


def test_each_label_of_a_multilabel_row_is_an_answer():
    logits, labels = np.array([[0.0, 40.0], [-40.0, 0.0]]), np.array([[1.0, 1.0], [0.0, 0.0]])
    found = measure_calibration(logits, labels, "multilabel")
    assert found.nll == pytest.approx(np.log(2) / 2)
    assert found.brier == pytest.approx(0.125)
    assert np.isfinite(fit_temperature(logits, labels, "multilabel"))


def test_no_rows_and_no_heat_are_refused():
    with pytest.raises(ConfigError, match="validation rows, and there is none"):
        fit_temperature(np.zeros((0, 2)), np.zeros(0), "multiclass")
    with pytest.raises(ConfigError, match="above 0, got 0"):
        measure_calibration(np.zeros((1, 2)), np.zeros(1), "multiclass", 0.0)


def test_a_temperature_at_an_end_of_its_range_is_known():
    """A model that is right on every validation row and asks for ever colder logits."""
    logits = 0.05 * np.eye(3)[[0, 1, 2, 0]]
    assert is_at_bound(fit_temperature(logits, np.array([0, 1, 2, 0]), "multiclass"))
    assert is_at_bound(fit_temperature(logits, np.array([1, 2, 0, 1]), "multiclass"))
    assert not is_at_bound(fit_temperature(*drawn(), "multiclass"))
