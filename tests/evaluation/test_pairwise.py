"""Every pair of designs: the same numbers as one contrast alone, adjusted for all."""

import numpy as np
import pytest

from interfuse.evaluation import DesignScores, Rules, compare_pairs, holm, mean_interval


def test_each_pair_stands_once_with_its_own_interval_and_holm_over_all_pairs():
    draw = np.random.default_rng(0)
    groups = np.arange(200) // 2
    scores = {
        name: DesignScores(draw.random((3, 200)) + shift, np.zeros((3, 1)), groups, False, False)
        for name, shift in (("a", 0.3), ("b", 0.0), ("c", 0.02))
    }
    found = compare_pairs(scores, Rules())
    assert [(c.first, c.second) for c in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    alone = [mean_interval(scores[c.first].test - scores[c.second].test, groups) for c in found]
    assert [c.delta for c in found] == pytest.approx([i.mean for i in alone])
    assert [c.low for c in found] == pytest.approx([i.low for i in alone])
    assert [c.beats for c in found] == [scores[c.first].beats(scores[c.second]) for c in found]
    assert [c.p_holm for c in found] == pytest.approx(holm([i.p for i in alone]))
    assert compare_pairs({"a": scores["a"]}, Rules()) == []
