"""Verdicts: Holm, margins, floors, and words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interfuse.core.errors import ConfigError
from interfuse.evaluation import DesignScores, compare_designs, holm
from tests.references import statistics


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7, unique=True))
def test_holm_equals_its_definition(values):
    assert holm(values) == pytest.approx(statistics.holm(values))


def make(rate: float, seed: int, floor: bool = False, unimodal: bool = False, validation: float | None = None):
    draw = np.random.default_rng(seed)
    hits = (np.random.default_rng(0).random((1, 1500)) < rate).astype(float).repeat(4, 0)  # examples are shared
    flips = draw.random(hits.shape) < 0.02
    test = np.where(flips, 1 - hits, hits)
    return DesignScores(
        test, np.full((4, 50), rate if validation is None else validation), np.arange(1500), floor, unimodal
    )


def verdicts(scores, **settings):
    found = compare_designs(scores, baseline="base", **settings)
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
        "better": "wins",
        "worse": "loses",
        "same": "no evidence",
        "text_only": "floor",
    }


def test_a_sure_difference_within_the_margin_is_no_win():
    _, words = verdicts({"base": make(0.70, 1), "better": make(0.80, 2)}, margin=0.2)
    assert words["better"] == "no evidence"


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
    assert found.verdict.startswith("Fusion beats text only (chosen: Δ 2")
    assert "95 % CI" in found.verdict
    assert found.verdict.endswith("4 seeds).")


def test_no_evidence_is_printed_as_readily():
    found, _ = verdicts({"base": make(0.70, 1), "text_only": make(0.70, 4, True, True)})
    assert found.verdict.startswith("No evidence that fusion beats text only (base: Δ ")


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
