"""Ranks over data sets: Demšar's worked example, other implementations' numbers, and chance where there is nothing."""

import itertools

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, wilcoxon

from interfuse.core.errors import ConfigError
from interfuse.evaluation import (
    critical_difference,
    friedman,
    group_ranks,
    least_signed_rank,
    rank_scores,
    signed_rank,
)

DEMSAR = np.array(
    [  # AUC of C4.5, C4.5+m, C4.5+cf, C4.5+m+cf on 14 data sets (Demšar 2006, table 6)
        *([0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967]),
        *([0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931]),
        *([0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875]),
        *([1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669]),
        [0.972, 0.981, 0.9752, 0.9748],  # printed 0.975 twice, but ranked 2 and 3 by digits that are not printed
        [0.957, 0.978, 0.946, 0.970],
    ]
)
MADE = np.array(
    [
        *([0.35, 0.92, 0.83, -0.4, 2.31], [0.45, -0.44, 1.08, 1.26, 1.69], [0.03, 0.65, -0.24, 0.74, 0.92]),
        *([0.6, 0.14, 0.21, 0.12, 1.14], [0.01, -0.18, 1.79, 1.91, -1.31], [-1.89, -0.07, 0.08, 1.11, 1.62]),
        *([2.12, -1.01, 0.12, 2.94, 2.05], [0.66, -0.41, -1.15, 1.07, 1.51], [-1.23, -0.58, 0.43, -0.04, 1.3]),
    ]
)
"""Nine data sets without ties, on which scikit-posthocs was asked."""


def test_demsars_example_comes_out_as_published():
    ranks = rank_scores(DEMSAR)
    assert ranks.mean(0) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    test = friedman(ranks)
    assert test.chi_square == pytest.approx(9.28, abs=0.005)
    assert test.f == pytest.approx(3.69, abs=0.005)
    assert 0.01 < test.f_p < 0.05  # above the critical 2.85 of F(3, 39)
    assert test.p == pytest.approx(test.f_p, abs=0.01)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, 0.10) == pytest.approx(1.12, abs=0.005)
    groups = group_ranks([float(rank) for rank in ranks.mean(0)], critical_difference(4, 14))
    assert groups == [[3, 1, 2, 0]]  # no two of them differ by more than 1.25


def test_scores_without_ties_give_scipys_chi_square_and_scikit_posthocs_pairs():
    ranks = rank_scores(MADE)
    assert friedman(ranks).chi_square == pytest.approx(friedmanchisquare(*MADE.T).statistic)
    # scikit-posthocs 0.17.1, posthoc_nemenyi_friedman: the pairs below 0.05, and 0.08317991 for the first and last
    averages = ranks.mean(0)
    far = {pair for pair in itertools.combinations(range(5), 2) if abs(np.subtract(*averages[list(pair)])) >= 0}
    sure = {pair for pair in far if abs(np.subtract(*averages[list(pair)])) >= critical_difference(5, 9)}
    assert sure == {(1, 4)}
    assert abs(averages[0] - averages[4]) == pytest.approx(critical_difference(5, 9, 0.08317991), abs=1e-4)
    assert abs(averages[1] - averages[4]) == pytest.approx(critical_difference(5, 9, 0.02398278), abs=1e-4)


@pytest.mark.parametrize(("designs", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_the_quantiles_are_those_of_demsars_table_5(designs, quantile):
    alone = critical_difference(designs, 1) / np.sqrt(designs * (designs + 1) / 6)
    assert alone == pytest.approx(quantile, abs=1e-3)


def test_the_best_has_rank_1_an_error_the_other_way_round_and_rounding_is_no_rank():
    scores = np.array([[0.9, 0.8, 0.8 + 1e-15]])
    assert rank_scores(scores).tolist() == [[1.0, 2.5, 2.5]]
    assert rank_scores(scores, lower=True).tolist() == [[3.0, 1.5, 1.5]]


def test_agreement_of_few_data_sets_is_as_likely_as_it_is():
    alike = np.tile([1.0, 2.0, 3.0], (2, 1))
    test = friedman(alike)
    assert (test.f, test.f_p) == (None, 0.0)  # the F distribution calls it certain
    assert test.p == pytest.approx(1 / 6, abs=0.01)  # and it happens to two data sets once in six
    assert friedman(np.tile([1.0, 2.0], (4, 1))).p == pytest.approx(1 / 8, abs=0.01)
    assert friedman(np.full((5, 3), 2.0)).p == 1.0


def test_designs_that_do_not_differ_are_called_different_one_time_in_twenty():
    random, repeats = np.random.default_rng(0), 150
    for data_sets, designs in ((3, 4), (10, 5)):
        p_values = [friedman(rank_scores(random.normal(size=(data_sets, designs)))).p for _ in range(repeats)]
        assert np.mean(np.array(p_values) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)


def test_groups_are_the_largest_and_a_lone_design_is_none():
    assert group_ranks([1.0, 2.0, 3.0, 6.0], 1.5) == [[0, 1], [1, 2]]
    assert group_ranks([1.0, 3.0], 2.0) == []
    assert group_ranks([2.0, 1.0], np.inf) == [[1, 0]]


def test_ranks_of_one_data_set_or_one_design_are_refused():
    with pytest.raises(ConfigError, match="at least 2 data sets and 2 designs, got 1 and 3"):
        friedman(np.array([[1.0, 2.0, 3.0]]))
    with pytest.raises(ConfigError, match="got 3 and 1"):
        friedman(np.ones((3, 1)))


def test_signed_ranks_are_wilcoxons():
    random = np.random.default_rng(0)
    for count in (6, 9, 20):
        differences = random.normal(0.3, 1.0, count)
        assert signed_rank(differences) == pytest.approx(wilcoxon(differences, method="exact").pvalue)
    # scipy 1.17.1 through scikit-posthocs 0.17.1, before Holm: the pairs of the made scores
    p_values = [signed_rank(MADE[:, a] - MADE[:, b]) for a, b in itertools.combinations(range(5), 2)]
    assert min(p_values) == pytest.approx(0.1953125 / 10)
    assert p_values[6] == pytest.approx(0.1953125 / 10)


def test_equal_sizes_and_zeros_are_counted_exactly():
    # all choices of signs of 1.5, 1.5, 3, 4 (the ranks of 1, 1, 2, 3), by hand
    differences = np.array([1.0, 1.0, 2.0, -3.0])
    ranks = np.array([1.5, 1.5, 3.0, 4.0])
    sums = [sum(ranks[list(signs)]) for size in range(5) for signs in itertools.combinations(range(4), size)]
    expected = 2 * np.mean(np.array(sums) <= min(6.0, 4.0))
    assert signed_rank(differences) == pytest.approx(expected)
    assert signed_rank(np.zeros(7)) == 1.0
    # a zero keeps the lowest rank, so the others' are 2 to 6: all positive is one of 32 choices, twice
    assert signed_rank(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])) == pytest.approx(2 / 32)


def test_five_data_sets_can_never_tell():
    assert least_signed_rank(5) == pytest.approx(signed_rank(np.arange(1.0, 6.0)))
    assert least_signed_rank(5) > 0.05 > least_signed_rank(6)
