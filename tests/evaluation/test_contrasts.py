"""How a contrast is judged: the words, and how often they are wrong where the truth is at a margin."""

import numpy as np
import pytest

from interfuse.evaluation import DesignScores, Rules, judge


def scores_of(table: np.ndarray) -> DesignScores:
    return DesignScores(table, np.empty((len(table), 0)), np.arange(table.shape[1]), False, False)


@pytest.mark.parametrize("rows", [300, 1000])
def test_designs_one_margin_apart_are_seldom_called_equal(rows):
    draw, repeats, wrong = np.random.default_rng(rows), 300, 0
    for _ in range(repeats):
        base = (draw.random(rows) < 0.8).astype(float)
        better = np.where(draw.random(rows) < 0.05, 1.0, base)  # a fifth was wrong: one point in truth, in few rows
        words = Rules().judge(Rules().contrast(scores_of(np.tile(better, (3, 1))), scores_of(np.tile(base, (3, 1)))))
        wrong += words == "equal"
    assert wrong / repeats < 0.09  # 5 % and three standard errors


def test_designs_that_never_differ_are_equal_on_many_rows_and_unknown_on_few():
    for rows, word in ((4000, "equal"), (100, "no evidence")):
        same = scores_of(np.tile((np.arange(rows) % 3 > 0).astype(float), (3, 1)))
        assert Rules().judge(Rules().contrast(same, same)) == word


def test_the_words_by_hand():
    assert judge(0.03, 0.001, 0.01, p_beyond=0.001) == "surely wins"
    assert judge(0.03, 0.001, 0.01, lower=True) == "loses"
    assert judge(-0.03, 0.001, 0.01, p_beyond=0.001) == "surely loses"
    assert judge(0.005, 0.001, 0.01, p_equal=0.001) == "equal"
    assert judge(0.005, 0.001, 0.01) == "small"
    assert judge(0.03, 0.03, 0.01, alpha=0.02) == "no evidence"
    assert judge(0.0, 1.0, 0.0, p_equal=0.0) == "no evidence"  # without a margin nothing is equal
