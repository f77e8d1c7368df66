import numpy as np
import pytest

from interfuse.evaluation import say_shapley
from interfuse.evaluation.shapley import conditional_utilisation, measure_shapley


def bits(values) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def test_the_parts_add_up_to_what_both_give_above_neither():
    draw = np.random.default_rng(0)
    both, image, text, neither = draw.integers(0, 2, size=(4, 60)).astype(float)
    found = measure_shapley(both, image, text, neither)
    assert found.image.mean + found.text.mean == pytest.approx(found.both - found.neither)
    assert found.image.low < found.image.mean < found.image.high


def test_it_is_the_mean_over_both_orders_of_arrival():
    both, image, text, neither = 0.9, 0.6, 0.3, 0.2
    orders = [image - neither, both - text]  # the image first, the image last
    found = measure_shapley(*(bits([value, value]) for value in (both, image, text, neither)))
    assert found.image.mean == pytest.approx(sum(orders) / 2)
    assert found.interaction.mean == pytest.approx(both - image - text + neither)


def test_a_modality_that_changes_nothing_has_no_part():
    draw = np.random.default_rng(1)
    right, chance = draw.integers(0, 2, size=(2, 50)).astype(float)
    found = measure_shapley(right, chance, right, chance)
    assert found.image.mean == found.image.standard_error == found.interaction.mean == 0.0


def test_of_a_unimodal_task_the_other_modality_is_not_utilised_and_of_xor_both_are():
    right, chance = bits([1, 1, 1, 1]), bits([0, 1, 0, 1])
    of_the_text = measure_shapley(right, chance, right, chance)
    assert (of_the_text.image_utilisation, of_the_text.text_utilisation) == (0.0, 0.5)
    xor = measure_shapley(right, chance, chance, chance)
    assert (xor.image_utilisation, xor.text_utilisation) == ((1 - 0.5) / 1,) * 2
    told = {value.name: value for value in say_shapley(of_the_text, 4, ()).values}
    used = [told[f"conditional utilisation of the {name}"] for name in ("image", "text")]
    assert [(value.value, value.unit) for value in used] == [(0.0, "share"), (0.5, "share")]


def test_a_model_that_its_inputs_mislead_is_not_said_to_share_points_above_nothing():
    found = say_shapley(measure_shapley(bits([0, 0]), bits([1, 0]), bits([0, 0]), bits([1, 1])), 2, ())
    assert found.verdict.startswith(
        "With both modalities the score is 100.0 points below that of no input at all; the image's part is −25.0, the "
        "text's −75.0; "
    )


def test_utilisation_is_a_share_of_the_score_and_of_no_score_there_is_none():
    assert conditional_utilisation(0.8, 0.6) == pytest.approx(0.25)
    assert conditional_utilisation(0.5, 0.6) == pytest.approx(-0.2)  # the modality does harm
    assert conditional_utilisation(0.5, -0.5) == 2.0  # R² has no lower bound
    for score in (0.0, -0.3):
        assert conditional_utilisation(score, 0.1) is None
        found = say_shapley(measure_shapley(*(bits([score, score]) for _ in range(4))), 2, ("A doubt.",))
        assert not [value for value in found.values if "utilisation" in value.name]
        assert found.notes[0] == "A doubt."
        assert "conditional utilisation is left out" in found.notes[1]
