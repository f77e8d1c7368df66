"""R² and relative MSE: their intervals cover the truth, for the variance that they divide by is estimated too."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from interfuse.evaluation import example_scores, mean_interval, spread_explained, spread_of, vary_as_metric

REPEATS = 500  # standard error of a coverage near 95 %: 1 point


def draw_numbers(draw, rows: int, heavy: bool) -> np.ndarray:
    """Draw numbers of variance 1."""
    return draw.standard_t(5, rows) / np.sqrt(5 / 3) if heavy else draw.normal(size=rows)


def coverage(explained: tuple[float, ...], heavy: bool, plain: bool = False) -> float:
    """Tell how often the interval of R², or of the difference of two, covers the truth: 5 seeds, 1,000 rows."""
    draw, covered, truth = np.random.default_rng(0), 0, explained[0] - sum(explained[1:])
    for _ in range(REPEATS):
        true = draw_numbers(draw, 1000, heavy)
        tables = []
        for part in explained:
            shared = draw_numbers(draw, 1000, heavy)
            errors = np.sqrt(1 - part) * (0.8 * shared + 0.6 * draw.normal(size=(5, 1000)))
            scores = np.stack([example_scores((true + e)[:, None], true, "regression") for e in errors])
            tables.append(scores if plain else spread_explained(scores, spread_of(true)))
        found = mean_interval(tables[0] if len(tables) == 1 else tables[0] - tables[1])
        covered += found.low <= truth <= found.high
    return covered / REPEATS


@pytest.mark.parametrize("explained", [(0.9,), (0.5,), (0.2,), (0.9, 0.7)])
@pytest.mark.parametrize("heavy", [False, True])
def test_an_interval_covers_the_truth_91_to_98_times_in_100(explained, heavy):
    assert 0.91 <= coverage(explained, heavy) <= 0.98


def test_taking_the_variance_for_known_would_not():
    assert coverage((0.9,), True, plain=True) < 0.85
    assert coverage((0.2,), False, plain=True) < 0.85


def test_the_mean_stays_and_a_constant_answer_has_no_spread():
    draw = np.random.default_rng(1)
    true, guess = draw.normal(5, 2, 60), draw.normal(5, 2, (3, 60))
    scores = np.stack([example_scores(seed[:, None], true, "regression") for seed in guess])
    assert_allclose(spread_explained(scores, spread_of(true)).mean(1), scores.mean(1))
    constant = example_scores(np.full((60, 1), true.mean()), true, "regression")
    assert_allclose(vary_as_metric(constant, true, "regression"), 0, atol=1e-12)


def test_other_tasks_and_numbers_that_are_all_alike_are_left_as_they_are():
    scores = np.array([0.0, 1.0, 1.0])
    assert vary_as_metric(scores, np.array([0, 1, 1]), "matching") is scores
    assert_allclose(vary_as_metric(scores, np.full(3, 7.0), "regression"), scores)


def test_it_is_the_derivative_by_the_weight_of_each_row():
    draw = np.random.default_rng(2)
    true = draw.normal(size=40)
    guess = true + draw.normal(size=40)

    def by_weight(weights: np.ndarray) -> float:
        mean = np.average(true, weights=weights)
        return 1 - np.average((true - guess) ** 2, weights=weights) / np.average((true - mean) ** 2, weights=weights)

    found = vary_as_metric(example_scores(guess[:, None], true, "regression"), true, "regression")
    step = 1e-6
    slopes = [(by_weight(1 + step * row) - by_weight(1 - step * row)) / (2 * step) for row in np.eye(40)]
    assert_allclose((found - found.mean()) / 40, slopes, atol=1e-7)
