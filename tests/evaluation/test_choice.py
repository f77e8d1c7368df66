"""Choosing designs on validation: a training that is lucky there is lucky on test, and luck is no skill."""

import numpy as np
import pytest

from interfuse.evaluation import DesignScores, best_on_validation, compare_designs, list_choosers, list_rivals

STUDIES, SEEDS, ROWS = 160, 3, 1000
LUCK = 0.03
"""Standard deviation of a training's true accuracy, the same on validation and on test."""


def draw_study(draw: np.random.Generator) -> dict[str, DesignScores]:
    """Draw six fusions and two controls of one true accuracy, whose trainings differ by luck alone."""
    ease = draw.uniform(-0.15, 0.15, ROWS)
    names = ("base", "text_only", "image_only", "f0", "f1", "f2", "f3", "f4")
    scores = {}
    for name in names:
        level = 0.7 + LUCK * draw.normal(size=(SEEDS, 1))
        test, validation = (
            (draw.random((SEEDS, ROWS)) < level + hard).astype(float) for hard in (ease, draw.permutation(ease))
        )
        scores[name] = DesignScores(test, validation, np.arange(ROWS), False, name.endswith("_only"))
    return scores


def test_the_other_seeds_choose_without_bias_and_the_same_seeds_do_not():
    draw, others, same, beats = np.random.default_rng(0), [], [], 0
    for _ in range(STUDIES):
        scores = draw_study(draw)
        comparison = compare_designs(scores, "base")
        beats += comparison.verdict.startswith("Fusion beats")
        others.append(comparison.contrast.mean)
        fusion, control = (scores[best_on_validation(scores, names)] for names in list_rivals(scores, "base"))
        same.append(fusion.test.mean() - control.test.mean())
    error = np.std(others) / np.sqrt(STUDIES)
    assert abs(np.mean(others)) < 4 * error
    assert np.mean(same) > 4 * error  # what the verdict was before: the winner's luck
    assert beats / STUDIES < 0.07  # 2.5 % one-sided is promised; its standard error here is 1.2


@pytest.mark.parametrize("count", range(3, 12))
def test_every_seed_is_chosen_for_and_never_by_a_seed_that_it_chooses_for(count):
    choosers = [list_choosers(seed, count) for seed in range(count)]
    pairs = [frozenset((seed, other)) for seed, others in enumerate(choosers) for other in others]
    assert all(choosers)
    assert len(pairs) == len(set(pairs)) == count * (count - 1) // 2
    assert all(len(pair) == 2 for pair in pairs)
    assert list_choosers(count, count) == list(range(count))


def test_chosen_trainings_vary_as_much_as_their_standard_error_says():
    draw, seeds, designs, studies = np.random.default_rng(2), 9, 10, 3000
    luck = draw.normal(size=(studies, designs, seeds))  # the same on validation and on test

    def inflate(choosers: list[list[int]]) -> float:
        chosen = np.stack([luck[:, :, others].mean(2).argmax(1) for others in choosers], 1)
        scores = np.take_along_axis(luck, chosen[:, None], 1)[:, 0]
        return float(scores.mean(1).var() / (scores.var(1, ddof=1) / seeds).mean())

    assert inflate([list_choosers(seed, seeds) for seed in range(seeds)]) == pytest.approx(1, abs=0.1)
    assert inflate([[other for other in range(seeds) if other != seed] for seed in range(seeds)]) > 1.4
