import numpy as np
import pytest
from scipy.special import expit, softmax

from interfuse.core.errors import ConfigError
from interfuse.evaluation.calibration import (
    Temperature,
    fit_temperature,
    measure_calibration,
    negative_log_likelihood,
)
from interfuse.evaluation.confidence_bins import confidence_bins
from tests.references.interaction import calibration_by_loops


def drawn(
    rows: int = 400, heat: float = 1.0, seed: int = 0, classes: int = 3, sharpness: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose true temperature is `heat`: the labels are drawn from softmax(logits / heat)."""
    draw = np.random.default_rng(seed)
    logits = sharpness * draw.normal(size=(rows, classes))
    probs = softmax(logits / heat, -1)
    return logits, (probs.cumsum(1) < draw.random((rows, 1))).sum(1).clip(max=classes - 1)


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
    assert fit_temperature(logits, labels, "multiclass").value == pytest.approx(heat, rel=0.06)


def test_no_temperature_of_a_fine_grid_fits_better():
    logits, labels = drawn(300, 2.0)
    best = fit_temperature(logits, labels, "multiclass").value
    losses = [negative_log_likelihood(logits / t, labels, "multiclass") for t in np.geomspace(0.05, 20, 400)]
    assert negative_log_likelihood(logits / best, labels, "multiclass") <= min(losses) + 1e-9


def test_cooling_fixes_a_model_that_is_too_sure_and_leaves_its_answers():
    logits, labels = drawn(5_000, 3.0)
    best = fit_temperature(logits, labels, "multiclass").value
    before, after = (measure_calibration(logits, labels, "multiclass", t) for t in (1.0, best))
    assert before.ece > 0.1 > 0.03 > after.ece
    assert after.nll < before.nll
    assert after.brier < before.brier


def test_each_label_of_a_multilabel_row_is_an_answer():
    logits, labels = np.array([[0.0, 40.0], [-40.0, 0.0]]), np.array([[1.0, 1.0], [0.0, 0.0]])
    found = measure_calibration(logits, labels, "multilabel")
    assert found.nll == pytest.approx(np.log(2) / 2)
    assert found.brier == pytest.approx(0.125)
    assert np.isfinite(fit_temperature(logits, labels, "multilabel").value)


def test_no_rows_and_no_heat_are_refused():
    with pytest.raises(ConfigError, match="validation rows, and there is none"):
        fit_temperature(np.zeros((0, 2)), np.zeros(0), "multiclass")
    with pytest.raises(ConfigError, match="above 0, got 0"):
        measure_calibration(np.zeros((1, 2)), np.zeros(1), "multiclass", 0.0)


def test_a_temperature_at_an_end_of_its_range_is_known():
    """A model that is right on every validation row and asks for ever colder logits."""
    logits = 0.05 * np.eye(3)[[0, 1, 2, 0]]
    assert fit_temperature(logits, np.array([0, 1, 2, 0]), "multiclass").is_at_bound
    assert fit_temperature(logits, np.array([1, 2, 0, 1]), "multiclass").is_at_bound
    assert not fit_temperature(*drawn(), "multiclass").is_at_bound


@pytest.mark.parametrize(("rows", "studies"), [(90, 40), (300, 40), (1000, 25), (5000, 15)])
def test_a_perfectly_calibrated_model_is_called_calibrated(rows, studies):
    """Promised in 97.5 % of studies, over six kinds of model; 93 % is two to five standard errors below."""
    kinds = [(classes, sharpness) for classes in (2, 10) for sharpness in (0.5, 2.0, 6.0)]
    off = [
        measure_calibration(*drawn(rows, 1.0, seed, *kind), "multiclass").is_off
        for kind in kinds
        for seed in range(studies)
    ]
    assert np.mean(off) <= 0.07


@pytest.mark.parametrize("classes", [2, 10])
def test_a_model_that_is_too_sure_is_found_on_a_thousand_rows(classes):
    """Logits half as large again as they should be."""
    words = []
    for seed in range(40):
        test, validation = drawn(1000, 1.5, seed, classes), drawn(1000, 1.5, seed + 1000, classes)
        heat = fit_temperature(*validation, "multiclass")
        words.append(measure_calibration(*test, "multiclass").is_off and heat.is_needed and heat.value > 1)
    assert np.mean(words) >= 0.9


def test_labels_that_are_drawn_one_by_one_are_called_calibrated_and_others_off():
    draw = np.random.default_rng(0)
    off = []
    for heat in (1.0, 2.0):
        logits = 3.0 * draw.normal(size=(60, 300, 8))
        labels = (draw.random(logits.shape) < expit(logits / heat)).astype(int)
        off.append(
            np.mean([measure_calibration(*rows, "multilabel").is_off for rows in zip(logits, labels, strict=True)])
        )
    assert off[0] <= 0.1  # 2.5 % promised, 60 studies
    assert off[1] == 1.0


def test_the_debiased_error_is_nearer_the_truth_than_the_plain_one():
    """The truth is what very many rows show; on 300 rows chance adds over two points to the plain error."""
    truth = measure_calibration(*drawn(200_000, 1.5), "multiclass").ece
    few = [measure_calibration(*drawn(300, 1.5, seed), "multiclass") for seed in range(100)]
    plain, debiased = np.mean([c.ece for c in few]) - truth, np.mean([c.debiased_ece for c in few]) - truth
    assert plain > 0.01
    assert abs(debiased) < 0.5 * plain


def test_the_closed_form_is_the_mean_over_drawn_bins():
    logits, labels = drawn(300, 1.5)
    probs = softmax(logits, -1)
    bins = confidence_bins(probs.max(1), probs.argmax(1) == labels)
    draws = np.random.default_rng(0).normal(
        bins.right, np.sqrt(bins.right * (1 - bins.right) / bins.counts), (100_000, len(bins.counts))
    )
    expected = 2 * bins.error - (np.abs(draws - bins.confidence) @ bins.counts).mean() / bins.counts.sum()
    assert bins.debiased_error == pytest.approx(expected, abs=3e-4)  # the draws' own error


def test_the_band_is_the_quantile_over_labels_that_are_drawn_a_row_at_a_time():
    """Here no rows are drawn together; 1,000 draws each leave a few hundredths of the band to chance."""
    draw, probs = np.random.default_rng(3), softmax(drawn(3000)[0], -1)
    sure = probs.max(1)
    errors = [confidence_bins(sure, draw.random(3000) < sure).debiased_error for _ in range(1000)]
    band = confidence_bins(sure, draw.random(3000) < sure).consistency_band(sure)
    assert band == pytest.approx(np.quantile(errors, 0.975), rel=0.1)


def test_a_model_that_is_sure_of_everything_and_right_is_calibrated_and_one_error_is_seen():
    logits = 1e4 * np.eye(3)[[0, 1, 2] * 30]
    right = measure_calibration(logits, np.array([0, 1, 2] * 30), "multiclass")
    assert (right.ece, right.debiased_ece, right.band, right.is_off) == (0.0, 0.0, 0.0, False)
    assert measure_calibration(logits, np.array([1, 1, 2] + [0, 1, 2] * 29), "multiclass").is_off


def test_the_interval_of_the_temperature_holds_the_true_one_as_often_as_it_says():
    held = [
        (heat := fit_temperature(*drawn(300, 2.0, seed), "multiclass")).low <= 2.0 <= heat.high for seed in range(400)
    ]
    assert 0.95 <= np.mean(held) <= 0.995  # 97.5 % within three standard errors


def test_the_ends_of_the_interval_are_as_much_less_likely_as_it_says():
    logits, labels = drawn(300, 2.0)
    heat = fit_temperature(logits, labels, "multiclass")
    best, *ends = (
        300 * negative_log_likelihood(logits / t, labels, "multiclass") for t in (heat.value, heat.low, heat.high)
    )
    assert [2 * (end - best) for end in ends] == pytest.approx([5.024, 5.024], abs=1e-3)
    assert heat.low < heat.value < heat.high


def test_one_is_needed_only_outside_the_interval():
    assert not Temperature(1.3, 0.9, 1.8).is_needed
    assert Temperature(1.3, 1.1, 1.8).is_needed
    assert Temperature(0.7, 0.5, 0.9).is_needed
