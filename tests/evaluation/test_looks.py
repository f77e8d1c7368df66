import numpy as np
import pytest

from interfuse.core.modalities import Modalities
from interfuse.evaluation import gain_by_deletion, say_attention

DRAW = np.random.default_rng(0)
RANDOM = DRAW.uniform(0.4, 0.6, 64)


def gained(points: float):
    return gain_by_deletion(RANDOM - points + DRAW.normal(0, 0.02, 64), RANDOM)


def test_only_a_map_that_beats_random_orders_is_said_to():
    gains = {"occlusion": gained(0.3), "gradient × attention": gained(-0.2), "attention of the image": gained(0.0)}
    measure = say_attention({"text → image": 0.4}, 64, True, Modalities({}, gains))
    assert measure.verdict.startswith(
        "Attention text → image spreads over 40 % of its tokens. Deleting words by occlusion"
    )
    assert "by gradient × attention takes off less than in random order" in measure.verdict
    assert "by attention of the image is not shown to be better than in random order." in measure.verdict
    assert "image tokens by" not in measure.verdict
    assert "moved" not in measure.verdict + measure.meaning
    values = {value.name: value for value in measure.values}
    assert values["deletion of words by occlusion, better than random"].value == pytest.approx(0.3, abs=0.01)
    assert values["area in random order, words"].value == pytest.approx(RANDOM.mean())


def test_without_maps_nothing_is_said_of_deletion():
    measure = say_attention({}, 64, False, Modalities({}, {}))
    assert measure.verdict == "The fusion does not attend: there is no map to draw."
    assert measure.values == ()
