import numpy as np
import pytest

from interfuse.evaluation import (
    Calibration,
    Decomposition,
    Emap,
    EstimatedDecomposition,
    Temperature,
    attention_spread,
    mean_interval,
    measure_emap,
    measure_permutation,
    profile_rows,
    say_calibration,
    say_contradiction,
    say_decomposition,
    say_diagnosis,
    say_emap,
    say_permutation,
)

LABELS = np.array([0, 1] * 80)


def table(image: float, text: float, both: float) -> np.ndarray:
    """Two classes; the logit of class 1 is a sum of parts, on rows whose bits are all four pairs equally often."""
    a, b = np.array([0, 0, 1, 1] * 40) - 0.5, np.array([0, 1] * 80) - 0.5
    one = image * a[None, :] + text * b[:, None] + 4 * both * a[None, :] * b[:, None]
    return np.stack([-one, one], -1)


def headline(logits: np.ndarray, labels: np.ndarray) -> str:
    emap = measure_emap(logits, labels, "multiclass")
    return say_diagnosis(emap, measure_permutation(logits, labels, "multiclass", 0.5), "accuracy")


def test_the_headline_tells_what_is_needed():
    a, b = np.array([0, 0, 1, 1] * 40), np.array([0, 1] * 80)
    assert headline(table(0, 0, 1), 1 - (a ^ b)).startswith("Multimodal: this model rests on both modalities and")
    assert headline(table(0, 1, 0), b).startswith("Unimodal in effect: this model rests on the text; the image")
    assert headline(table(1, 0, 0), a).startswith("Unimodal in effect: this model rests on the image; the text")
    assert headline(table(1, 1, 0) + np.array([0, -1]), a & b).startswith("Both modalities, no need of interaction")
    assert headline(table(0, 0, 0), a).startswith("Neither modality is shown to help")


def test_not_needed_is_never_called_not_used():
    b = np.array([0, 1] * 80)
    used = say_emap(measure_emap(table(0, 3, 1), b, "multiclass"), 160)
    assert "not needed on these rows (Δ 0.0" in used.verdict
    assert "it is used all the same: 30.8 % of the logits' variance" in used.verdict
    alone = say_permutation(measure_permutation(table(0, 3, 0), b, "multiclass", 0.5), 160, 0.5)
    assert "The image is not used: no answer changes with it." in alone.verdict


def test_few_rows_leave_it_open_and_are_not_called_no_need():
    few = Emap(0.9, 0.85, mean_interval(np.array([[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]])), 0.4, np.eye(6)[0])
    assert few.delta.low < 0 < few.delta.high
    assert say_emap(few, 6).verdict.startswith("These rows cannot tell whether the interaction is needed (Δ 16.7")
    a, b = np.array([0, 0, 1, 1] * 40), np.array([0, 1] * 80)
    both = measure_permutation(table(1, 1, 0) + np.array([0, -1]), a & b, "multiclass", 0.5)
    assert "whether their interaction does, these rows cannot tell" in say_diagnosis(few, both, "accuracy")


def test_a_difference_of_nothing_on_few_rows_is_not_called_no_need():
    same = Emap(0.9, 0.9, mean_interval(np.zeros((1, 40))), 0.4, np.zeros(40))
    assert "cannot tell whether the interaction is needed (Δ 0.0, 95 % CI −8.8 to 8.8)" in say_emap(same, 40).verdict


def parts_of(redundancy: float, first: float, second: float, synergy: float) -> EstimatedDecomposition:
    total = redundancy + first + second + synergy
    value = Decomposition(redundancy, first, second, synergy, total, 0.0)
    return EstimatedDecomposition(value, Decomposition(0.0, 0.01, 0.01, 0.02, 0.04, 0.0), 3, None)


def test_cells_that_lose_what_the_answers_tell_name_no_part():
    lost = say_decomposition(parts_of(0.0, 0.083, 0.015, 0.082), 300, answers=1.9, chance=0.02)
    assert lost.verdict.startswith("3 cells a modality keep 0.18 of the 1.90 bit that the model's answers tell")
    assert ("told by the model's answers", 1.9) in [(value.name, value.value) for value in lost.values]
    kept = say_decomposition(parts_of(0.0, 0.083, 0.015, 0.082), 300, answers=0.2, chance=0.02)
    assert kept.verdict == (
        "No part holds most of the 0.18 bit about the label: 0.08 bit is told by the image only, 0.08 bit told only by "
        "both together."
    )
    most = say_decomposition(parts_of(0.0, 0.1, 0.0, 0.9), 300, answers=1.0, chance=0.02)
    assert most.verdict == "Most of the 1.00 bit about the label is told only by both together (0.90 bit)."
    nothing = say_decomposition(parts_of(0.0, 0.002, 0.0, 0.0), 300, answers=0.2, chance=0.21)
    assert nothing.verdict == "The cells tell no more of the label than chance would: there is nothing to decompose."


def test_a_decomposition_that_does_not_agree_stands_beside_the_headline():
    headline = "Multimodal: this model rests on both modalities and their interaction (…)."
    redundant = say_contradiction(headline, parts_of(0.9, 0.0, 0.05, 0.05), answers=1.0, chance=0.02)
    assert redundant == (
        " The information decomposition says otherwise: of the 1.00 bit about the label 0.90 is told by either alone."
    )
    assert say_contradiction(headline, parts_of(0.0, 0.1, 0.8, 0.1), 1.0, 0.02).endswith(
        "0.80 is told by the text only."
    )
    assert say_contradiction("Unimodal in effect: …", parts_of(0.0, 0.1, 0.8, 0.1), 1.0, 0.02) == ""
    assert say_contradiction(headline, parts_of(0.1, 0.0, 0.0, 0.9), 1.0, 0.02) == ""  # they agree
    assert say_contradiction(headline, parts_of(0.4, 0.2, 0.2, 0.2), 1.0, 0.02) == ""  # no part holds most
    assert say_contradiction(headline, parts_of(0.2, 0.0, 0.0, 0.0), 1.0, 0.02) == ""  # the cells lose the answer


def calibration(debiased: float, band: float = 0.02) -> Calibration:
    return Calibration(debiased + 0.02, debiased, band, 0.2, 0.1, [])


def test_a_temperature_that_does_not_fix_the_rows_is_not_praised():
    before, worse, warm = calibration(0.13), calibration(0.25), Temperature(2.0, 1.5, 2.5)
    assert "2.00, which does not fix these rows (25.0 points)" in say_calibration(before, 9, warm, worse).verdict
    assert "too sure of itself on validation: temperature 2.00 leaves 13.0 points here" in (
        say_calibration(worse, 9, warm, before).verdict
    )
    assert "not sure enough on validation" in say_calibration(worse, 9, Temperature(0.5, 0.4, 0.6), before).verdict
    assert "temperature 99.99 (the end of the range that is searched, 0.01 to 100)" in (
        say_calibration(worse, 9, Temperature(99.99, 50.0, 100.0), before).verdict
    )
    assert "the end of the range" not in say_calibration(worse, 9, warm, before).verdict
    assert say_calibration(before, 9, None, None).notes == ("There are no validation rows to fit a temperature on.",)


def test_too_sure_needs_probabilities_that_are_off_and_a_temperature_that_is_not_one():
    warm, open_ = Temperature(1.3, 1.1, 1.5), Temperature(1.3, 0.9, 1.8)
    chance = say_calibration(calibration(0.03, 0.04), 300, warm, calibration(0.01)).verdict
    assert chance == (
        "Yes, as far as 300 rows can tell: they are off by 3.0 points on average (debiased ECE), and chance takes a "
        "perfectly calibrated model up to 4.0."
    )
    unclear = say_calibration(calibration(0.05, 0.04), 300, open_, calibration(0.01)).verdict
    assert unclear.startswith("No: they are off by 5.0 points")
    assert "does not say in which direction: temperature 1.30, 97.5 % interval 0.90 to 1.80" in unclear
    little = say_calibration(calibration(0.006, 0.002), 90_000, warm, calibration(0.001)).verdict
    assert little.startswith("Nearly: they are off by 0.6 points")
    assert "sure" not in little


def test_the_numbers_behind_the_words_stand_in_the_record():
    said = say_calibration(calibration(0.05, 0.04), 300, Temperature(1.3, 1.1, 1.5), calibration(0.01))
    numbers = {value.name: (value.value, value.low, value.high) for value in said.values}
    assert numbers["ECE"] == (pytest.approx(0.07), None, None)
    assert numbers["debiased ECE"] == (0.05, None, None)
    assert numbers["debiased ECE of a perfectly calibrated model, 97.5 % quantile"] == (0.04, None, None)
    assert numbers["temperature (97.5 % interval)"] == (1.3, 1.1, 1.5)


def test_a_model_that_is_all_interaction_is_told_to_read_the_share():
    a, b = np.array([0, 0, 1, 1] * 40), np.array([0, 1] * 80)
    assert (
        say_emap(measure_emap(table(0, 0, 1), 1 - (a ^ b), "multiclass"), 160).notes[0].endswith("interaction share.")
    )


def test_pictures_that_the_model_cannot_tell_apart_have_one_profile():
    by_text, by_image = profile_rows(table(0, 1, 0))
    assert len(np.unique(np.round(by_image, 9), axis=0)) == 1
    assert len(np.unique(np.round(by_text, 9), axis=0)) == 2


def test_attention_spread_is_one_for_an_average_and_one_token_s_share_for_a_choice():
    even, sharp = np.full((1, 2, 4), 0.25), np.tile(np.eye(4)[0], (1, 2, 1))
    keys = np.array([4])
    assert attention_spread(even, keys) == pytest.approx(1.0)
    assert attention_spread(sharp, keys) == pytest.approx(0.25)
    masked = np.concatenate([sharp, np.zeros((1, 2, 4))], 1)
    assert attention_spread(masked, keys) == pytest.approx(0.25)
