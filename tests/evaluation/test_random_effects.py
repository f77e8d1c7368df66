"""Pooled differences: published examples, another implementation's numbers, and the promise kept in simulation."""

import warnings

import numpy as np
import pytest
from scipy.stats import t as student

from interfuse.core.errors import ConfigError
from interfuse.evaluation import paule_mandel, pool_differences

BCG = np.array(
    [  # vaccinated: ill, well; control: ill, well (Colditz et al. 1994, as in metafor's dat.bcg)
        *((4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619), (33, 5036, 47, 5761)),
        *((180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892), (29, 7470, 45, 7232)),
        *((17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338), (27, 16886, 29, 17825)),
    ],
    dtype=float,
).T
REPEATS = 600
"""Standard error of a coverage near 95 %: 0.9 points."""


def log_risk_ratios() -> tuple[np.ndarray, np.ndarray]:
    ill, well, control_ill, control_well = BCG
    treated, control = ill + well, control_ill + control_well
    variances = 1 / ill - 1 / treated + 1 / control_ill - 1 / control
    return np.log(ill / treated) - np.log(control_ill / control), np.sqrt(variances)


def simulate(random, data_sets: int, tau: float, df: float, effect: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw differences whose errors differ tenfold, and standard errors that rest on `df` degrees of freedom."""
    errors = np.exp(random.uniform(np.log(0.003), np.log(0.03), data_sets))
    deltas = effect + random.normal(0, tau, data_sets) + random.normal(0, errors)
    return deltas, errors * np.sqrt(random.chisquare(df, data_sets) / df)


def test_the_bcg_trials_have_their_published_heterogeneity():
    # metafor 4: tau^2 (PM) 0.3181, Q 152.2330 on 12, mean -0.7150; statsmodels 0.15.0: the interval by Hartung-Knapp
    pooled = pool_differences(*log_risk_ratios())
    assert pooled.tau**2 == pytest.approx(0.3180684522, rel=1e-6)
    assert pooled.q == pytest.approx(152.2330080824, rel=1e-9)
    assert pooled.i2 == pytest.approx(1 - 12 / 152.2330080824, rel=1e-9)
    assert pooled.mean == pytest.approx(-0.7149681534933369, rel=1e-6)
    assert (pooled.low, pooled.high) == pytest.approx((-1.10909838, -0.32083793), abs=1e-6)
    assert pooled.q_p < 1e-20
    assert pooled.new_low < pooled.low < pooled.high < 0 < pooled.new_high


def test_another_implementation_gives_the_same_numbers():
    # statsmodels 0.15.0, combine_effects(method_re="iterated", use_t=True, atol=1e-6)
    deltas, errors = np.array([1.2, 3.4, -0.6, 2.1, 5.0]), np.array([0.6, 1.1, 0.8, 1.5, 2.0])
    pooled = pool_differences(deltas, errors)
    assert pooled.tau**2 == pytest.approx(2.744912430689789, rel=1e-6)
    assert pooled.q == pytest.approx(13.010915642594858, rel=1e-12)
    assert pooled.mean == pytest.approx(1.8301786217627682, rel=1e-6)
    # q = 1 at Paule and Mandel's tau^2: Hartung and Knapp's error is then that of the weights alone
    assert pooled.standard_error == pytest.approx(0.9057983669050379, rel=1e-6)
    assert (pooled.low, pooled.high) == pytest.approx((-0.68472082, 4.34507806), abs=1e-6)


def test_any_differences_are_pooled_as_statsmodels_does():
    meta = pytest.importorskip(
        "statsmodels.stats.meta_analysis", reason="statsmodels is not installed (extra dev-oracles)"
    )
    random, solved = np.random.default_rng(0), 0
    for _ in range(40):
        count = int(random.integers(3, 12))
        errors = random.uniform(0.5, 3.0, count)
        deltas = random.normal(1.0, 2.0, count) + random.normal(0, errors)
        pooled = pool_differences(deltas, errors)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = meta.combine_effects(deltas, errors**2, method_re="iterated", use_t=True, atol=1e-6)
        assert pooled.q == pytest.approx(other.q)
        if other.tau2 == 0 < pooled.tau:
            continue  # its iteration ends at 0 where rounding takes its last step below the solution
        assert pooled.tau**2 == pytest.approx(other.tau2, abs=1e-4)
        assert pooled.mean == pytest.approx(other.mean_effect_re, abs=1e-4)
        if pooled.tau > 0:
            solved += 1
            assert pooled.standard_error == pytest.approx(other.sd_eff_w_re_hksj, abs=1e-4)
        else:  # ours is never below the errors' own
            assert pooled.standard_error == pytest.approx(max(other.sd_eff_w_re_hksj, other.sd_eff_w_re), abs=1e-4)
    assert solved >= 15


def test_equal_errors_give_the_plain_t_interval_and_agreement_none_that_is_narrower_than_the_errors():
    deltas = np.array([0.01, 0.05, 0.03, -0.02])
    pooled = pool_differences(deltas, np.full(4, 0.002))
    half = student.ppf(0.975, 3) * deltas.std(ddof=1) / 2
    assert (pooled.mean, pooled.plain) == pytest.approx((deltas.mean(), deltas.mean()))
    assert pooled.high - pooled.mean == pytest.approx(half)
    assert pooled.tau == pytest.approx(np.sqrt(deltas.var(ddof=1) - 0.002**2))
    assert pooled.p == pytest.approx(2 * student.sf(deltas.mean() * 2 / deltas.std(ddof=1), 3))
    alike = pool_differences(np.array([0.02, 0.02, 0.02]), np.full(3, 0.01))
    assert (alike.tau, alike.q, alike.i2) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)
    assert alike.standard_error == pytest.approx(0.01 / np.sqrt(3))
    assert alike.p > 0.05


def test_two_data_sets_have_no_prediction_and_an_interval_of_one_degree_of_freedom():
    pooled = pool_differences(np.array([0.10, 0.12]), np.array([0.001, 0.001]))
    assert (pooled.new_low, pooled.new_high) == (None, None)
    assert pooled.high - pooled.mean == pytest.approx(student.ppf(0.975, 1) * 0.01)
    assert pooled.low < 0


def test_a_data_set_without_error_has_most_weight_only_where_the_others_do_not_contradict():
    errors = np.array([1e-6, 0.02, 0.02])
    agreeing = pool_differences(np.array([0.01, 0.02, 0.0]), errors)
    assert agreeing.weights[0] > 0.999
    contradicted = pool_differences(np.array([0.01, 0.2, -0.2]), errors)
    assert contradicted.weights == pytest.approx([1 / 3] * 3, abs=0.01)
    assert sum(contradicted.weights) == pytest.approx(1.0)


def test_paule_mandel_solves_its_equation():
    random = np.random.default_rng(3)
    for _ in range(20):
        deltas, errors = simulate(random, 6, 0.05, 1e6)
        square = paule_mandel(deltas, errors)
        weights = 1 / (errors**2 + square)
        q = (weights * (deltas - np.average(deltas, weights=weights)) ** 2).sum()
        assert q == pytest.approx(5.0, rel=1e-6) if square > 0 else q <= 5.0


@pytest.mark.parametrize("data_sets", [3, 5, 10])
@pytest.mark.parametrize("tau", [0.0, 0.02])
@pytest.mark.parametrize("df", [4, 1e6])
def test_a_95_percent_interval_over_data_sets_covers_and_a_false_verdict_is_rare(data_sets, tau, df):
    random = np.random.default_rng(0)
    pooled = [pool_differences(*simulate(random, data_sets, tau, df)) for _ in range(REPEATS)]
    covered = np.mean([one.low <= 0 <= one.high for one in pooled])
    assert (
        covered >= 0.895
    )  # by benchmarks/pooled_coverage.py 91.6 to 100 %; three standard errors of this simulation below
    false = np.mean([one.p < 0.05 for one in pooled])
    assert false <= 0.05 + 0.027  # by benchmarks/pooled_coverage.py at most 5.1 %; three standard errors above


def test_the_interval_of_a_normal_distribution_without_heterogeneity_would_cover_far_less():
    random = np.random.default_rng(0)
    covered = []
    for _ in range(REPEATS):
        deltas, errors = simulate(random, 5, 0.05, 1e6)
        weights = 1 / errors**2
        covered.append(abs(np.average(deltas, weights=weights)) <= 1.96 / np.sqrt(weights.sum()))
    assert np.mean(covered) < 0.4


def test_a_prediction_interval_covers_the_next_data_set():
    random = np.random.default_rng(1)
    hits = []
    for _ in range(REPEATS):
        pooled = pool_differences(*simulate(random, 6, 0.03, 1e6, 0.02))
        hits.append(pooled.new_low <= 0.02 + random.normal(0, 0.03) <= pooled.new_high)
    assert 0.88 <= np.mean(hits) <= 0.98


@pytest.mark.parametrize(
    ("deltas", "errors", "message"),
    [
        ([0.1], [0.1], "at least 2 data sets"),
        ([0.1, np.nan], [0.1, 0.1], "finite differences"),
        ([0.1, 0.2], [0.1, 0.0], "above 0"),
        ([0.1, 0.2], [0.1, np.inf], "finite differences and standard errors"),
    ],
)
def test_what_cannot_be_pooled_is_refused(deltas, errors, message):
    with pytest.raises(ConfigError, match=message):
        pool_differences(np.array(deltas), np.array(errors))
