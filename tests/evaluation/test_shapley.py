import numpy as np
import pytest

from interfuse.evaluation.needs_both import find_needs_both
from interfuse.evaluation.shapley import measure_shapley


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
    assert found.image.mean == found.image.low == found.interaction.mean == 0.0


def test_rows_that_need_both_are_right_with_both_and_wrong_with_either():
    both, image, text = bits([1, 1, 1, 0, 1]), bits([0, 1, 0, 0, 0]), bits([0, 0, 1, 0, 0])
    found = find_needs_both(both, image, text)
    assert found.rows.tolist() == [0, 4]
    assert found.share.mean == pytest.approx(0.4)
    assert (found.image_suffices, found.text_suffices) == (0.2, 0.2)
