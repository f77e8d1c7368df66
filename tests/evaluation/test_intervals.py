"""The interval against a slow reference, at its edges, and by its coverage in simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from interfuse.core.errors import ConfigError
from interfuse.evaluation import fold_groups, mean_interval
from tests.references import statistics


@given(k=st.integers(2, 4), n=st.integers(3, 9), seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_it_equals_a_slow_reference(k, n, seed):
    draw = np.random.default_rng(seed)
    table = draw.normal(size=(k, n)) + 2 * draw.normal(size=(k, 1)) + 2 * draw.normal(size=(1, n))
    found = mean_interval(table)
    if found.df < 1.0001:
        return  # the reference has no floor on the degrees of freedom
    expected = statistics.interval(table.tolist(), lambda df: student.ppf(0.975, df))
    assert (found.mean, found.low, found.high) == pytest.approx(expected)


def test_groups_fold_so_that_the_mean_stays_the_rows_mean():
    scores = np.array([[1.0, 0, 1, 1, 0], [1, 1, 0, 1, 0]])
    groups = np.array([7, 7, 7, 2, 9])
    folded = fold_groups(scores, groups)
    assert folded.shape == (2, 3)
    assert folded.mean() == pytest.approx(scores.mean())
    assert folded[0] == pytest.approx([3 / 5 * 1, 3 / 5 * 2, 0.0])
    assert mean_interval(scores, groups).mean == pytest.approx(scores.mean())


def test_one_seed_speaks_of_the_examples_only():
    scores = np.array([[1.0, 0.0, 1.0, 1.0]])
    found = mean_interval(scores)
    error = scores.std(ddof=1) / 2
    assert (found.seeds, found.df) == (1, 3)
    assert found.high - found.mean == pytest.approx(student.ppf(0.975, 3) * error)


def test_no_difference_at_all_has_no_width_and_p_one():
    found = mean_interval(np.zeros((3, 10)))
    assert (found.low, found.high, found.p) == (0.0, 0.0, 1.0)


def test_the_same_difference_everywhere_is_certain():
    found = mean_interval(np.ones((3, 10)))
    assert (found.low, found.high, found.p) == (1.0, 1.0, 0.0)


def test_a_negative_variance_falls_back_to_the_larger_component():
    table = np.array([[1.0, -1, 1, -1], [-1.0, 1, -1, 1]])  # only interaction: MS_s = MS_i = 0
    assert mean_interval(table).standard_error == 0.0
    table = np.array([[1.5, -1, 1, -1], [-1.0, 1, -1, 1]])
    assert mean_interval(table).standard_error > 0.0


def test_nothing_and_nan_are_refused():
    with pytest.raises(ConfigError, match=r"got shape \(2, 0\)"):
        mean_interval(np.zeros((2, 0)))
    with pytest.raises(ConfigError, match="finite scores"):
        mean_interval(np.array([[np.nan, 1.0]]))


SIMULATIONS = 800


def simulate(draw: np.random.Generator, k: int, n: int, seed_sd: float, effect: float, group: int) -> np.ndarray:
    """Score differences of two designs: rows share difficulty by group, seeds shift a design as a whole."""
    difficulty = np.repeat(draw.normal(size=(1, n // group)), group, axis=1)
    shifts = draw.normal(scale=seed_sd, size=(2, k, 1))
    base = 1 / (1 + np.exp(-(1.0 + difficulty)))
    right = [draw.random((k, n)) < np.clip(base + shift + gain, 0, 1) for shift, gain in zip(shifts, (effect, 0.0))]
    return right[0].astype(float) - right[1].astype(float)


@pytest.mark.parametrize(("seed_sd", "group"), [(0.008, 1), (0.018, 1), (0.037, 1), (0.018, 10)])
def test_a_95_percent_interval_covers_the_truth_91_to_98_times_in_100(seed_sd, group):
    draw = np.random.default_rng(int(1000 * seed_sd) + group)
    groups = np.arange(2000) // group
    covered = 0
    for _ in range(SIMULATIONS):
        found = mean_interval(simulate(draw, 5, 2000, seed_sd, 0.0, group), groups)
        covered += found.low <= 0.0 <= found.high
    assert 0.91 <= covered / SIMULATIONS <= 0.98


def test_an_interval_from_one_seed_would_cover_far_less_which_is_why_seeds_are_drawn():
    draw = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        found = mean_interval(simulate(draw, 5, 2000, 0.037, 0.0, 1)[:1])
        covered += found.low <= 0.0 <= found.high
    assert covered / 200 < 0.6
