"""The interval against a slow reference, by hand, and at its edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from scipy.stats import t as student

from interfuse.core.errors import ConfigError
from interfuse.evaluation import mean_interval, measure_components
from interfuse.evaluation.components import _check
from interfuse.evaluation.intervals import stretch
from tests.references import statistics


@given(
    k=st.integers(2, 5),
    n=st.integers(2, 9),
    seed=st.integers(0, 10_000),
    seed_sd=st.sampled_from([0.0, 0.5, 2.0]),
    item_sd=st.sampled_from([0.0, 2.0]),
    level=st.sampled_from([0.8, 0.95, 0.99]),
)
@settings(max_examples=150, deadline=None)
def test_it_equals_a_slow_reference(k, n, seed, seed_sd, item_sd, level):
    draw = np.random.default_rng(seed)
    table = draw.normal(size=(k, n)) + seed_sd * draw.normal(size=(k, 1)) + item_sd * draw.normal(size=(1, n)) + 0.3
    found = mean_interval(table, level=level)
    mean, error, df = statistics.interval(table.tolist())
    half = student.ppf(0.5 + level / 2, df) * error
    assert (found.mean, found.standard_error, found.df) == pytest.approx((mean, error, df))
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half))
    assert found.p == pytest.approx(2 * (1 - student.cdf(abs(mean) / error, df)), abs=1e-9)


def test_a_tiny_matrix_worked_out_by_hand():
    # means: seeds 2 and 4, items 2 and 4, all 3; MS_s = 2(1+1)/1 = 4, MS_i = 4, every rest is 0: V = 8/4, df = 64/32
    found = mean_interval(np.array([[1.0, 3.0], [3.0, 5.0]]))
    assert (found.mean, found.standard_error, found.df) == pytest.approx((3.0, np.sqrt(2), 2.0))
    assert found.high - found.mean == pytest.approx(4.302653 * np.sqrt(2), rel=1e-6)  # t of the tables, df 2, 0.975
    statistic = 3 / np.sqrt(2)
    assert found.p == pytest.approx(1 - statistic / np.sqrt(statistic**2 + 2))  # closed form of t with df 2


@given(seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_groups_are_centred_and_then_folded_as_the_slow_reference_does(seed):
    draw = np.random.default_rng(seed)
    scores = draw.integers(0, 2, (3, 12)).astype(float)
    groups = draw.integers(5, 9, 12)
    groups[0] += 1  # numbers need not be gapless nor sorted
    groups[1] = groups[0] + 1  # at least two of them
    parts = measure_components(scores, groups)
    slow = statistics.grouped(scores.tolist(), groups.tolist())
    assert (parts.spread, parts.by_item, parts.rest) == pytest.approx(slow)
    assert parts.mean == pytest.approx(scores.mean())


def test_the_sizes_of_groups_are_no_noise():
    sizes = np.random.default_rng(0).integers(1, 60, 80)
    groups = np.repeat(np.arange(80), sizes)
    nearly = np.ones((3, len(groups)))
    nearly[:, ::97] = 0  # 99 % right, without regard to groups
    interval = mean_interval(nearly, groups, lowest=0.0)
    assert interval.high - interval.low < 0.02  # folded before centring it was 0.3


def test_degrees_of_freedom_count_groups_and_fewer_where_some_hold_most_rows():
    def df(sizes):
        groups = np.repeat(np.arange(len(sizes)), sizes)
        return measure_components(np.random.default_rng(0).random((2, len(groups))), groups).df_items

    assert df([5] * 12) == pytest.approx(11)
    assert df([1] * 30) == pytest.approx(29)
    assert 1 < df([100, 90] + [1] * 40) < 4


def test_degrees_of_freedom_are_those_of_the_quadratic_form():
    sizes = np.array([7, 3, 1, 1, 4])
    groups = np.repeat(np.arange(5), sizes)
    n = sizes.sum()
    member = (groups[None] == np.arange(5)[:, None]) / np.sqrt(1 - sizes / n)[:, None]  # CR2
    form = member @ (np.eye(n) - 1 / n) @ member.T  # covariance of the groups' sums of independent rows
    df = measure_components(np.random.default_rng(0).random((2, n)), groups).df_items
    assert df == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form))


def test_near_a_bound_the_interval_of_one_training_is_wilson_s():
    right = np.array([[0.0] * 3 + [1.0] * 97])
    interval = mean_interval(right, lowest=0.0)
    wilson = binomtest(97, 100).proportion_ci(0.95, "wilson")
    assert (interval.low, interval.high) == pytest.approx((wilson.low, wilson.high), abs=0.002)  # t for the normal


@pytest.mark.parametrize("bounds", [(-np.inf, 1.0), (0.0, np.inf)])
def test_below_one_bound_the_interval_stretches_away_from_it(bounds):
    low, high = stretch(0.6, 0.1, *bounds)
    room = abs(0.6 - bounds[0 if np.isinf(bounds[1]) else 1])
    ends = np.array([low, high])
    distance = np.abs(ends - (bounds[0] if np.isinf(bounds[1]) else bounds[1]))
    np.testing.assert_allclose(np.abs(ends - 0.6), 0.1 * distance / room)


def test_groups_of_one_row_change_nothing():
    scores = np.random.default_rng(1).random((3, 40))
    plain, grouped = mean_interval(scores), mean_interval(scores, np.arange(40)[::-1].copy())
    assert (plain.low, plain.high, plain.df, plain.p) == pytest.approx(
        (grouped.low, grouped.high, grouped.df, grouped.p)
    )


def test_one_seed_speaks_of_the_examples_only_and_says_so():
    scores = np.array([[1.0, 0.0, 1.0, 1.0]])
    found = mean_interval(scores)
    assert (found.seeds, found.df, found.one_model) == (1, pytest.approx(3), True)
    assert found.high - found.mean == pytest.approx(student.ppf(0.975, 3) * scores.std(ddof=1) / 2)
    assert not mean_interval(np.array([[1.0, 0.0], [0.0, 0.0]])).one_model


def test_one_row_leaves_the_spread_over_seeds():
    scores = np.array([[0.2], [0.4], [0.9]])
    found = mean_interval(scores)
    assert (found.df, found.standard_error) == pytest.approx((2, scores.std(ddof=1) / np.sqrt(3)))


def test_a_single_number_is_evidence_of_nothing():
    found = mean_interval(np.array([[0.7]]))
    assert (found.mean, found.p) == (0.7, 1.0)
    assert (found.within(0.0, 1.0).low, found.within(0.0, 1.0).high) == (0.0, 1.0)


@pytest.mark.parametrize("shape", [(3, 10), (1, 10)])
def test_without_any_spread_the_width_is_what_so_few_rows_leave_possible(shape):
    unseen = 1 - 0.025**0.1  # the exact binomial bound of 10 rows without a failure
    assert unseen == pytest.approx(binomtest(0, 10).proportion_ci(0.95, "exact").high)
    none, every, some = (mean_interval(np.full(shape, value)) for value in (0.0, 1.0, -0.1))
    assert (none.low, none.high, none.p) == pytest.approx((-unseen, unseen, 1.0))
    assert (every.low, every.high) == pytest.approx((1 - 2 * unseen, 1.0))
    assert every.p == pytest.approx(binomtest(10, 10).pvalue)  # the sign test of ten differences, all above zero
    assert (some.low, some.high) == pytest.approx((-0.1 - 0.9 * unseen, -0.1 + 1.1 * unseen))
    edge = mean_interval(np.full(shape, -0.1), level=1 - some.p)
    assert edge.high == pytest.approx(0)
    right = mean_interval(np.ones(shape), lowest=0.0)
    assert (right.low, right.high) == pytest.approx(tuple(binomtest(10, 10).proportion_ci(0.95, "exact")))
    wrong = mean_interval(np.zeros(shape), lowest=0.0)
    assert (wrong.low, wrong.high) == pytest.approx(tuple(binomtest(0, 10).proportion_ci(0.95, "exact")))


def test_three_rows_that_are_all_right_are_no_evidence():
    found = mean_interval(np.ones((2, 3)))
    assert found.low < 0
    assert found.p == 0.25
    assert mean_interval(np.ones((2, 4000))).low > 0.998
    assert mean_interval(np.full((2, 4), 7.0)).low == 7.0  # no score: nothing is known of its bounds
    assert mean_interval(np.full((2, 4), 0.4), lowest=-np.inf).low == 0.4


def test_a_negative_variance_falls_back_to_the_larger_component():
    only_interaction = np.array([[1.0, -1, 1, -1], [-1.0, 1, -1, 1]])  # MS_s = MS_i = 0, MS_e = 8/3
    found = mean_interval(only_interaction)
    assert (found.standard_error, found.df) == pytest.approx((np.sqrt(8 / 3 / 8), 3))
    table = np.array([[0.2, 1, 0, 1], [1.1, 0, 1, 0]])
    ms_s, ms_i, ms_e = statistics.components(table.tolist())
    assert ms_s + ms_i - ms_e < 0
    assert ms_i > ms_s
    found = mean_interval(table)
    assert (found.standard_error, found.df) == pytest.approx((np.sqrt(ms_i / 8), 3))
    assert mean_interval(table.T.copy()).df == 3  # now the larger component is that of the seeds, four of them


def test_a_variance_of_nearly_nothing_is_no_certainty():
    table = np.array([[1.0, 1, -1, 1], [1, 0, 1, -1], [1, 0, 1, -1]])
    ms_s, ms_i, ms_e = statistics.components(table.tolist())
    assert ms_s + ms_i - ms_e == pytest.approx(0, abs=1e-12)
    found = mean_interval(table)
    assert found.standard_error == pytest.approx(np.sqrt(max(ms_s, ms_i) / 12))
    assert found.p > 0.2


def test_degrees_of_freedom_are_never_below_those_of_the_smaller_side():
    table = np.array([[0.0, 1, 1, 1, 1, 1, 1, 1], [1.0, 1, 1, 0, 1, 0, 0, 1]])
    ms_s, ms_i, ms_e = statistics.components(table.tolist())
    total = ms_s + ms_i - ms_e
    assert 0 < total**2 / (ms_s**2 + ms_i**2 / 7 + ms_e**2 / 7) < 0.3  # the formula alone
    found = mean_interval(table)
    assert found.df == 1
    assert found.high - found.mean == pytest.approx(student.ppf(0.975, 1) * found.standard_error)


def test_what_gives_no_interval_is_refused():
    with pytest.raises(ConfigError, match=r"got shape \(2, 0\)"):
        mean_interval(np.zeros((2, 0)))
    with pytest.raises(ConfigError, match="finite scores"):
        mean_interval(np.array([[np.nan, 1.0]]))
    with pytest.raises(ConfigError, match=r"Every row has one group: 3 rows were given and groups \(2,\)"):
        _check(np.zeros((2, 3)), np.array([0, 1]))  # beneath the shape checker of the tests
    with pytest.raises(ConfigError, match=r"a fraction between 0 and 1, got 95\.0\. Try 0\.95"):
        mean_interval(np.zeros((2, 3)), level=95.0)
