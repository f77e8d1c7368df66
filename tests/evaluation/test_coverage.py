"""The promise of a 95 % interval, kept in simulation where the truth is known."""

import numpy as np
import pytest

from interfuse.core.errors import ConfigError
from interfuse.evaluation import Simulation, measure_coverage

REPEATS = 600  # standard error of a coverage near 95 %: 0.9 points


@pytest.mark.parametrize("seed_sd", [0.008, 0.018, 0.037])
@pytest.mark.parametrize("effect", [0.0, 0.02])
def test_a_95_percent_interval_covers_the_truth_91_to_98_times_in_100(seed_sd, effect):
    assert 0.91 <= measure_coverage(Simulation(seed_sd=seed_sd, effect=effect), REPEATS) <= 0.98


@pytest.mark.parametrize("seeds", [2, 3, 10])
def test_it_does_so_with_fewer_and_with_more_seeds(seeds):
    assert 0.91 <= measure_coverage(Simulation(seeds=seeds), REPEATS) <= 0.98


def test_rows_that_share_a_picture_need_their_groups():
    shared = Simulation(seed_sd=0.008, group_rows=10, spread=0.2)
    assert 0.91 <= measure_coverage(shared, REPEATS) <= 0.98
    assert measure_coverage(shared, REPEATS, grouped=False) < 0.85


def test_one_seed_would_cover_far_less_which_is_why_seeds_are_drawn():
    assert measure_coverage(Simulation(seeds=1, seed_sd=0.037), REPEATS) < 0.6


def test_a_simulated_study_has_the_difference_it_was_given():
    random = np.random.default_rng(0)
    drawn = Simulation(seeds=40, rows=20_000, seed_sd=0.0, effect=0.03).draw(random)[0]
    assert drawn.mean() == pytest.approx(0.03, abs=0.005)


def test_what_cannot_be_simulated_is_refused():
    with pytest.raises(ConfigError, match="simulation: seeds must be at least 1, got seeds=0"):
        Simulation(seeds=0)
    with pytest.raises(ConfigError, match="coverage: repeats must be at least 1"):
        measure_coverage(Simulation(), repeats=0)
