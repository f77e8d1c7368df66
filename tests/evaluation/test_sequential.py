"""Adding seeds until a contrast is sure: when it is looked at, when it stops, and how often it errs."""

import numpy as np
import pytest

from interfuse.evaluation import Looks, Regime, Rules, compare_designs, is_open
from interfuse.evaluation.design_scores import DesignScores


def test_looks_grow_by_half_and_end_at_the_most():
    assert Looks.between(3, 20).seeds == (3, 5, 8, 12, 18, 20)
    assert Looks.between(2, 4).seeds == (2, 3, 4)
    assert Looks.between(2, 500).seeds[-1] == 500
    assert len(Looks.between(2, 500).seeds) <= 10
    assert Looks.between(3, 20).after(5) == 8
    assert Looks.between(3, 20).after(20) is None
    assert Looks.between(3, 20).alpha == pytest.approx(0.0142)


def first(entry: DesignScores, seeds: int) -> DesignScores:
    return DesignScores(entry.test[:seeds], entry.validation[:seeds], entry.groups, False, False)


def run(regime: Regime, random: np.random.Generator, gain: float = 0.0) -> tuple[str, int]:
    """Draw a study with all the seeds it may have, and look at it as `compare` does; return its word and its seeds."""
    scores = regime.draw(random)
    if gain:
        gift = random.random(regime.rows) < gain / (1 - regime.accuracy)
        scores["d1"] = DesignScores(
            np.maximum(scores["d1"].test, gift), scores["d1"].validation, scores["d1"].groups, False, False
        )
    looks = Looks.between(3, regime.seeds)
    for seeds in looks.seeds:
        comparison = compare_designs({n: first(s, seeds) for n, s in scores.items()}, "d0", Rules(alpha=looks.alpha))
        result = comparison.results[1]
        if not is_open(result.delta, result.verdict, comparison.rules, regime.rows, regime.seeds):
            break
    return result.verdict, seeds


@pytest.mark.parametrize("luck", [0.02, 0.1])
def test_looking_again_and_again_errs_in_five_of_a_hundred_at_most(luck):
    random, regime = np.random.default_rng(0), Regime(seeds=20, designs=2, luck=luck, unlike=0.0)
    words = [run(regime, random)[0] for _ in range(150)]
    false = sum(word.endswith(("wins", "loses")) or word == "small" for word in words)
    assert false <= 12  # 5 % is 7.5, its standard error 2.7


def test_a_large_difference_is_seen_at_once_and_a_hopeless_one_is_given_up():
    random = np.random.default_rng(1)
    sure = [run(Regime(seeds=20, designs=2, unlike=0.0), random, gain=0.12) for _ in range(20)]
    assert np.mean([word.endswith("wins") for word, _ in sure]) > 0.9
    assert np.mean([seeds for _, seeds in sure]) < 8
    hopeless = [run(Regime(seeds=20, designs=2, rows=200, luck=0.0, persistence=0.7), random)[1] for _ in range(20)]
    assert np.mean(hopeless) < 12  # on so few rows that never change no number of seeds helps
