import numpy as np
import pytest

from interfuse.core.errors import ConfigError
from interfuse.evaluation.missing import missing_curve


def test_the_ends_are_the_scores_with_all_and_with_none():
    draw = np.random.default_rng(0)
    present, absent = draw.random((2, 50))
    curve = missing_curve(present, absent)
    assert [point.fraction for point in curve] == pytest.approx([step / 10 for step in range(11)])
    assert curve[0].score == pytest.approx(present.mean())
    assert curve[-1].score == pytest.approx(absent.mean())
    assert curve[0].spread == curve[-1].spread == 0.0


def test_mean_and_spread_are_those_of_many_random_choices():
    draw = np.random.default_rng(1)
    present, absent = draw.random((2, 20))
    (point,) = missing_curve(present, absent, (0.3,))
    scores = []
    for _ in range(4000):
        lacking = draw.permutation(20) < 6
        scores.append(np.where(lacking, absent, present).mean())
    assert point.score == pytest.approx(np.mean(scores), abs=4 * np.std(scores) / np.sqrt(4000))
    assert point.spread == pytest.approx(np.std(scores), rel=0.06)


def test_scores_that_are_not_finite_and_parts_above_one_are_refused():
    with pytest.raises(ConfigError, match="one finite score a row"):
        missing_curve(np.array([np.nan]), np.array([0.0]))
    with pytest.raises(ConfigError, match="fractions from 0 to 1"):
        missing_curve(np.zeros(2), np.zeros(2), (10.0,))
