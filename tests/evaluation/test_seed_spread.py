"""What designs tell together of how much trainings differ."""

import numpy as np
import pytest
from scipy.special import polygamma

from interfuse.evaluation import Components, DesignScores, Rules, SeedSpread, common_spread, measure_components
from interfuse.evaluation.seed_spread import MOST_DF, _inverse_trigamma


def parts(spread: float, seeds: int = 3) -> Components:
    return Components(0.8, seeds, 100, spread, 1e-4, 1e-5, seeds - 1.0, 99.0)


@pytest.mark.parametrize("x", [0.02, 0.5, 3.0, 400.0])
def test_the_inverse_of_trigamma(x):
    assert _inverse_trigamma(float(polygamma(1, x))) == pytest.approx(x, rel=1e-6)


def test_designs_of_one_spread_are_known_to_be_alike_and_their_mean_is_typical():
    draw = np.random.default_rng(0)
    spreads = 1e-4 * draw.chisquare(4, 4000) / 4
    common = common_spread([parts(value, 5) for value in spreads], [1.0] * len(spreads))
    assert common.variance == pytest.approx(1e-4, rel=0.05)
    assert common.df == pytest.approx(MOST_DF, rel=0.01)


@pytest.mark.parametrize(("designs", "df"), [(2, 1.0), (4, 4 / 3), (14, 7 / 4)])
def test_few_designs_of_two_seeds_are_worth_less(designs, df):
    common = common_spread([parts(1e-4, seeds=2)] * designs, [1.0] * designs)
    assert common.df == pytest.approx(df)


def test_a_design_near_its_ceiling_has_less_room_to_differ():
    rates = np.array([0.5, 0.9, 0.98])
    varies = rates * (1 - rates)
    common = common_spread([parts(1e-3 * each, 5) for each in varies.tolist()], varies.tolist())
    assert common.variance == pytest.approx(1e-3)
    assert common.moderate(parts(0.0, 5), 0.98 * 0.02).typical == pytest.approx(1e-3 * 0.98 * 0.02)
    table = (np.random.default_rng(0).random((2, 400)) < 0.5).astype(float)
    perfect = np.ones((2, 400))
    perfect[0, 0] = 0.0
    entries = [DesignScores(rows, np.empty((2, 0)), np.arange(400), False, False) for rows in (table, perfect)]
    assert [Rules().variation(entry) for entry in entries] == pytest.approx([0.25, 0.006], rel=0.06)


def test_designs_that_differ_greatly_tell_little_of_each_other():
    draw = np.random.default_rng(1)
    spreads = 1e-4 / (draw.chisquare(1, 4000) / 1) * draw.chisquare(4, 4000) / 4  # a prior worth one degree of freedom
    common = common_spread([parts(value, 5) for value in spreads], [1.0] * len(spreads))
    assert common.df == pytest.approx(1.0, rel=0.15)
    assert common.variance == pytest.approx(1e-4, rel=0.2)


def test_a_spread_is_drawn_towards_the_typical_one_by_their_degrees_of_freedom():
    common = SeedSpread(4e-4, 2.0)
    moderate = common.moderate(parts(1e-4), varies=2.0)
    assert moderate.spread == pytest.approx((2 * 8e-4 + 2 * 1e-4) / 4)
    assert (moderate.df_seeds, moderate.typical) == (4.0, 8e-4)
    assert common.moderate(parts(1e-4), varies=0.0) == parts(1e-4)
    assert common.moderate(parts(0.0, seeds=1)) == parts(0.0, seeds=1)


def test_two_seeds_that_agree_by_chance_are_no_certainty():
    agree = Components(0.8, 2, 1000, 1e-9, 1e-5, 5e-6, 1.0, 999.0)
    alone, common = agree.interval(), SeedSpread(4e-4, 2.0).moderate(agree).interval()
    assert alone.high - alone.low < 0.02
    assert common.high - common.low > 0.06
    assert common.df < 6


def test_constant_answers_and_single_designs_tell_nothing():
    assert common_spread([parts(0.0), parts(1e-4)], [1.0] * 2) == SeedSpread(0.0, 0.0)
    assert common_spread([parts(0.0, seeds=1)] * 3, [1.0] * 3) == SeedSpread(0.0, 0.0)


@pytest.mark.parametrize("seeds", [3, 5, 6, 10])
def test_an_answer_that_never_changes_tells_nothing_whatever_its_mean_is_rounded_to(seeds):
    designs = [parts(1e-4, seeds), parts(2e-4, seeds), parts(0.5e-4, seeds)]
    for right in range(1, 500):
        row = np.tile((np.arange(500) < right).astype(float), (seeds, 1)) * 0.7  # 0.7 is no binary fraction
        constant = measure_components(row)
        assert constant.spread == 0.0
        assert common_spread([*designs, constant], [1.0] * 4) == common_spread(designs, [1.0] * 3)


def test_designs_that_tie_by_chance_have_luck_all_the_same():
    draw = np.random.default_rng(0)
    table = (draw.random((2, 100)) < 0.9).astype(float)
    table[1] = draw.permutation(table[0])  # another training, right as often
    tied, constant = (
        DesignScores(rows, np.empty((2, 0)), np.arange(100), False, False) for rows in (table, table[:1].repeat(2, 0))
    )
    assert (tied.constant, constant.constant) == (False, True)
    rules = Rules(spread=SeedSpread(4e-4, 2.0))
    assert rules.contrast(tied, constant).components.spread > 0
    assert rules.own(constant).standard_error == pytest.approx(np.sqrt(constant.components.by_item))
