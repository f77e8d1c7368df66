"""Verdicts: Holm, margins, floors, and words."""

import re
from dataclasses import replace

import numpy as np
import pytest

from interfuse.core.errors import ConfigError
from interfuse.evaluation import (
    Components,
    Confirmation,
    DesignScores,
    Difference,
    Interval,
    Rules,
    common_spread,
    compare_designs,
    judge,
    say_against_baseline,
    say_study,
)
from tests.references import statistics


def make(rate: float, seed: int, floor: bool = False, unimodal: bool = False, validation: float | None = None):
    draw = np.random.default_rng(seed)
    hits = (np.random.default_rng(0).random((1, 1500)) < rate).astype(float).repeat(4, 0)  # examples are shared
    flips = draw.random(hits.shape) < 0.02
    test = np.where(flips, 1 - hits, hits)
    return DesignScores(
        test, np.full((4, 50), rate if validation is None else validation), np.arange(1500), floor, unimodal
    )


def verdicts(scores, **settings):
    found = compare_designs(scores, "base", Rules(**settings))
    return found, {result.design: result.verdict for result in found.results}


def test_every_kind_of_verdict_is_given():
    _, words = verdicts(
        {
            "base": make(0.70, 1),
            "better": make(0.80, 2),
            "worse": make(0.60, 3),
            "same": make(0.70, 4),
            "text_only": make(0.50, 5, floor=True, unimodal=True),
        }
    )
    assert words == {
        "base": "baseline",
        "better": "surely wins",
        "worse": "surely loses",
        "same": "no evidence",
        "text_only": "floor",
    }


def test_a_sure_difference_within_the_margin_is_no_win():
    _, words = verdicts({"base": make(0.70, 1), "better": make(0.80, 2)}, margin=0.2)
    assert words["better"] == "equal"
    _, words = verdicts({"base": make(0.70, 1), "better": make(0.80, 2)}, margin=0.11)
    assert words["better"] == "small"


def test_the_verdict_compares_the_fusion_and_the_control_that_are_best_on_validation():
    found, _ = verdicts(
        {
            "base": make(0.70, 1),
            "lucky_on_test": make(0.95, 2, validation=0.1),
            "chosen": make(0.80, 3, validation=0.9),
            "text_only": make(0.50, 4, True, True),
            "image_only": make(0.30, 5, True, True),
        }
    )
    assert (found.choice.fusion, found.choice.control) == ("chosen", "text_only")
    shape = (
        r"Fusion beats text only \(chosen by 2\d\.\d points, 95 % CI 2\d\.\d to 3\d\.\d, surely by more than 1 point, "
        r"4 seeds\)\."
    )
    assert re.fullmatch(shape, found.verdict)
    assert found.details[0] == (
        "Chosen for each seed by the validation of other seeds: chosen (every seed); of the unimodal controls "
        "text_only (every seed)."
    )
    assert found.details[1].startswith("Against the baseline: chosen beats base by ")


def test_of_equals_on_validation_one_that_was_asked_for_is_chosen_and_the_tie_is_said():
    found, _ = verdicts(
        {
            "text_only": make(0.50, 4, True, True, validation=0.5),
            "image_only": make(0.50, 5, True, True, validation=0.5),
            "concat": make(0.90, 6, floor=True, validation=0.9),
            "base": make(0.90, 1, validation=0.9),
            "asked": make(0.90, 2, validation=0.9),
        }
    )
    assert found.choice.fusion == "asked"
    assert found.details[0].endswith("text_only (every seed). As good there: base, concat, image_only.")


def test_what_does_not_beat_the_constant_answer_is_no_win_of_fusion():
    scores = {
        "base": make(0.52, 1),
        "text_only": make(0.47, 4, True, True),
        "majority": make(0.515, 6, floor=True),
    }
    assert verdicts({name: scores[name] for name in ("base", "text_only")})[0].verdict.startswith("Fusion beats text")
    found, _ = verdicts(scores)
    assert found.verdict.startswith(
        "No evidence that fusion helps: base is not shown to do better than no model at all (over text only Δ 4."
    )


def test_no_evidence_is_printed_as_readily():
    found, _ = verdicts({"base": make(0.70, 1), "text_only": make(0.70, 4, True, True)}, margin=0.003)
    shape = r"No evidence that fusion beats text only \(Δ −?0\.\d, 95 % CI −\d\.\d to \d\.\d, 4 seeds\)\."
    assert re.fullmatch(shape, found.verdict)
    assert "That fusion is the baseline itself" in found.details[1]


def sure(mean: float, low: float, high: float, p: float = 0.001, seeds: int = 5) -> Difference:
    parts = Components(mean, seeds, 100, 1e-6, 1e-6, 0.0, seeds - 1.0, 99.0)
    return Difference(parts, Interval(mean, low, high, 0.001, 9.0, p, seeds), 1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("contrast", "word", "words"),
    [
        (
            sure(0.004, -0.006, 0.013, p=0.4),
            "no evidence",
            "No evidence that fusion beats text only (Δ 0.4, 95 % CI −0.6 to 1.3, 5 seeds).",
        ),
        (
            sure(0.312, 0.3, 0.324, seeds=3),
            "wins",
            "Fusion beats text only (gmu by 31.2 points, 95 % CI 30.0 to 32.4, 3 seeds).",
        ),
        (
            sure(-0.05, -0.06, -0.04),
            "loses",
            "Fusion loses to text only (gmu by 5.0 points, 95 % CI 4.0 to 6.0, 5 seeds).",
        ),
        (
            sure(0.006, 0.002, 0.01),
            "small",
            "No evidence that fusion beats text only: the difference is sure but too small to matter, below the margin "
            "of 1 point (Δ 0.6, 95 % CI 0.2 to 1.0, 5 seeds).",
        ),
        (
            sure(-0.0001, -0.002, 0.002, p=0.9),
            "equal",
            "Fusion and text only are equal within 1 point (gmu Δ 0.0, 95 % CI −0.2 to 0.2, 5 seeds).",
        ),
    ],
)
def test_the_study_s_verdict_in_words(contrast, word, words):
    assert say_study(["gmu"] * 5, ["text_only"] * 5, contrast, word, Rules()) == words


def test_where_the_choice_differs_by_seed_the_verdict_says_mostly():
    said = say_study(["gmu", "mcan", "gmu"], ["text_only"] * 3, sure(0.05, 0.03, 0.07, seeds=3), "wins", Rules())
    assert said == (
        "Fusion beats text only (the fusions chosen by seed, mostly gmu, by 5.0 points, 95 % CI 3.0 to 7.0, 3 seeds)."
    )


def test_words_against_the_baseline_use_the_adjusted_p_of_the_table():
    delta = sure(0.03, 0.001, 0.059, p=0.04)
    said = say_against_baseline("gmu", "concat", delta, 0.12, "no evidence", Rules())
    assert said == (
        "Against the baseline: no evidence that gmu differs from concat "
        "(Δ 3.0, 95 % CI 0.1 to 5.9, Holm-adjusted p 0.120)."
    )
    assert judge(delta.mean, 0.12, 0.01) == "no evidence"
    said = say_against_baseline("gmu", "concat", delta, 0.0001, "small", Rules(margin=0.05))
    assert said.endswith("Holm-adjusted p < 0.001: sure, but below the margin of 5 points).")
    floor = say_against_baseline("gmu", "concat", delta, 0.0001, "floor", Rules())
    assert floor.startswith("Against the baseline: gmu beats concat by 3.0 points")


def test_a_fusion_that_hurts_is_said_to_lose():
    found, _ = verdicts({"base": make(0.40, 1), "text_only": make(0.70, 4, True, True)})
    assert found.verdict.startswith("Fusion loses to text only")


def test_differences_are_exactly_those_of_the_means_shown():
    found, _ = verdicts({"base": make(0.70, 1), "better": make(0.80, 2)})
    base, better = found.results
    assert better.delta.mean == pytest.approx(better.mean.mean - base.mean.mean)


def test_designs_scored_on_other_rows_are_refused():
    other = make(0.5, 2)
    short = DesignScores(other.test[:, :9], other.validation, other.groups[:9], False, False)
    with pytest.raises(ConfigError, match=r"short was scored on \(4, 9\)"):
        compare_designs({"base": make(0.5, 1), "short": short}, "base")
    with pytest.raises(ConfigError, match="baseline 'nobody' is no design"):
        compare_designs({"base": make(0.5, 1)}, "nobody")


def test_the_groups_make_the_difference_exactly_that_of_the_accuracies_shown():
    draw = np.random.default_rng(3)
    groups = draw.integers(0, 30, 200)
    scores = {
        name: DesignScores(draw.integers(0, 2, (3, 200)).astype(float), np.ones((3, 5)), groups, False, False)
        for name in ("base", "other")
    }
    base, other = compare_designs(scores, "base").results
    assert (base.mean.mean, other.mean.mean) == pytest.approx([scores[n].test.mean() for n in ("base", "other")])
    assert other.delta.mean == pytest.approx(other.mean.mean - base.mean.mean, abs=1e-12)
    alone = compare_designs({name: replace(one, groups=np.arange(200)) for name, one in scores.items()}, "base")
    assert other.delta.interval.high != pytest.approx(alone.results[1].delta.interval.high, abs=1e-4)


def test_every_contrast_is_in_holm_s_family_and_floors_show_their_difference():
    draw = np.random.default_rng(1)
    base = (draw.random((3, 400)) < 0.6).astype(float)
    scores = {"base": DesignScores(base, np.ones((3, 5)), np.arange(400), False, False)}
    for number, rate in enumerate((0.61, 0.66, 0.5, 0.7)):
        test = (draw.random((3, 400)) < rate).astype(float)
        scores[f"d{number}"] = DesignScores(test, np.ones((3, 5)), np.arange(400), number == 2, number == 2)
    results = compare_designs(scores, "base").results
    entries, rules = list(scores.values()), Rules()
    spread = common_spread([entry.components for entry in entries], [rules.variation(entry) for entry in entries])
    rules = Rules(spread=spread)
    raw = [rules.contrast(scores[f"d{n}"], scores["base"]).p for n in range(4)]
    assert results[0].p_holm is None
    assert [r.p_holm for r in results[1:]] == pytest.approx(statistics.holm(raw))
    floor = results[3]
    assert (floor.verdict, floor.delta.mean < 0) == ("floor", True)
    assert results[0].delta is None


def test_intervals_are_cut_to_what_a_score_can_be():
    sparse = np.zeros((2, 8))
    sparse[:, 0] = 1
    one = DesignScores(sparse, np.ones((2, 2)), np.zeros(8, dtype=int), False, False)
    two = DesignScores(1 - sparse[:, ::-1].copy(), np.ones((2, 2)), np.zeros(8, dtype=int), False, False)
    for result in compare_designs({"base": one, "other": two}, "base").results:
        assert 0 <= result.mean.low <= result.mean.high <= 1
        assert result.delta is None or -1 <= result.delta.interval.low <= result.delta.interval.high <= 1


def test_one_seed_is_said_to_speak_of_one_trained_model():
    single = {
        name: DesignScores(entry.test[:1], entry.validation[:1], entry.groups, entry.floor, entry.unimodal)
        for name, entry in {"base": make(0.8, 1), "text_only": make(0.5, 2, True, True)}.items()
    }
    found = compare_designs(single, "base")
    assert found.verdict.startswith("No verdict on fusion from one seed")
    assert (found.choice, found.contrast) == (None, None)
    assert found.results[1].delta.interval.one_model


def test_without_a_control_there_is_politely_no_verdict():
    found, words = verdicts({"base": make(0.70, 1), "better": make(0.80, 2)})
    assert found.verdict.startswith("No verdict on fusion")
    assert "text_only" in found.verdict
    assert words["better"] == "surely wins"
    assert (found.choice, found.contrast) == (None, None)


def test_a_single_control_is_pointed_out():
    found, _ = verdicts({"base": make(0.70, 1), "image_only": make(0.50, 4, True, True)})
    assert "image_only is the only unimodal control" in found.details[0]


def test_the_majority_is_neither_fusion_nor_control_and_a_fusion_below_it_is_warned_of():
    common = {"base": make(0.60, 1, validation=0.6), "text_only": make(0.40, 4, True, True)}
    fine, _ = verdicts({**common, "majority": make(0.30, 5, True, validation=1.0)})
    assert fine.choice.fusion == "base"
    assert re.fullmatch(r"Always answering the most frequent label scores \d\d\.\d points\.", fine.details[2])
    low, _ = verdicts({**common, "majority": make(0.70, 5, True)})
    assert low.details[2].startswith("Warning: base is not shown to do better than no model at all.")


def test_without_validation_rows_nothing_is_chosen():
    empty = make(0.5, 1)
    entry = DesignScores(empty.test, np.zeros((4, 0)), empty.groups, False, False)
    found, _ = verdicts({"base": entry, "text_only": make(0.5, 2, True, True)})
    assert "there is no validation row" in found.verdict


def test_a_margin_given_in_points_is_refused():
    with pytest.raises(ConfigError, match=r"from 0 to below 1, got 1\. For one point give 0\.01"):
        compare_designs({"base": make(0.5, 1)}, "base", Rules(margin=1.0))


def lucky(rates, validation, seeds=4, rows=400, unimodal=False):
    """A design whose trainings differ: each has its own rate on test, and its own on validation."""
    draw = np.random.default_rng(len(rates))
    test = np.stack([(draw.random(rows) < rate).astype(float) for rate in rates])
    return DesignScores(test, np.tile(np.array(validation)[:, None], (1, 5)), np.arange(rows), False, unimodal)


def test_a_seed_s_designs_are_chosen_by_other_seeds():
    scores = {
        "base": lucky([0.5] * 4, [0.50] * 4),
        "one_lucky": lucky([0.9, 0.5, 0.5, 0.5], [0.90, 0.45, 0.45, 0.45]),
        "text_only": lucky([0.5] * 4, [0.50] * 4, unimodal=True),
    }
    choice = compare_designs(scores, "base").choice
    assert list(choice.fusions) == ["base", "base", "base", "one_lucky"]  # its luck chooses it elsewhere
    contrast = compare_designs(scores, "base").contrast
    assert abs(contrast.mean) < 0.08  # the lucky training itself is not among those that are scored


def test_a_confirmed_verdict_is_about_the_fresh_trainings_alone():
    scores = {
        "base": lucky([0.6] * 4, [0.9] * 4),
        "other": lucky([0.6] * 4, [0.8] * 4),
        "text_only": lucky([0.5] * 4, [0.5] * 4, unimodal=True),
    }
    fresh = Confirmation(lucky([0.4] * 4, [0.0] * 4), lucky([0.7] * 4, [0.0] * 4, unimodal=True))
    comparison = compare_designs(scores, "base", confirmation=fresh)
    assert comparison.verdict.startswith("Fusion loses to text only (base by ")
    assert comparison.details[0].startswith("Confirmed: base and text_only were chosen on validation, then trained")


def test_a_design_with_more_seeds_is_contrasted_on_those_that_both_have():
    scores = {
        "base": lucky([0.6] * 6, [0.6] * 6),
        "few": lucky([0.6] * 3, [0.5] * 3),
        "text_only": lucky([0.5] * 6, [0.5] * 6, unimodal=True),
    }
    comparison = compare_designs(scores, "base")
    few, text = comparison.results[1:]
    assert (few.delta.components.seeds, text.delta.components.seeds) == (3, 6)
    assert comparison.contrast.components.seeds == 6


def test_how_often_one_training_beats_another_counts_every_pair_and_equals_half():
    one, two = (
        DesignScores(np.array(rates)[:, None] * np.ones((1, 2)), np.ones((3, 1)), np.arange(2), False, False)
        for rates in ([0.5, 0.7, 0.9], [0.4, 0.7, 0.8])
    )
    assert one.beats(two) == pytest.approx((1 + 1.5 + 3) / 9)
    assert one.beats(two, lower=True) == pytest.approx(1 - (1 + 1.5 + 3) / 9)
