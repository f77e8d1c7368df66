"""Designs over several data sets: pooled differences with verdicts, ranks, and pairs."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from interfuse.core.errors import ConfigError
from interfuse.core.ranking import DataSetDifference, RankedDesign, RankPair, RankTest
from interfuse.evaluation.contrasts import ALPHA, judge
from interfuse.evaluation.holm import holm
from interfuse.evaluation.random_effects import pool_differences
from interfuse.evaluation.ranking_words import say_design
from interfuse.evaluation.ranks import critical_difference, friedman, group_ranks, rank_scores
from interfuse.evaluation.signed_rank import LEAST, signed_rank


@dataclass(frozen=True)
class SharedScores:
    """Designs that several data sets share, with what each data set says of them."""

    roles: Mapping[str, str]
    """Design to baseline, floor or contender; one is the baseline."""
    scores: Float[np.ndarray, "data_sets designs"]
    """Mean test scores, the designs in the order of `roles`."""
    differences: Mapping[str, Sequence[DataSetDifference]]
    """Design to its difference from the baseline on each data set; all but the baseline."""

    @property
    def baseline(self) -> str:
        """The design that the others are compared with."""
        return next(design for design, role in self.roles.items() if role == "baseline")


def rank_designs(shared: SharedScores, margin: float, lower: bool = False) -> list[RankedDesign]:
    """Pool each design's differences from the baseline and judge it; the designs that are judged are ranked too.

    Holm's family is the designs that are judged. Floors are pooled and shown, neither judged nor ranked: that each
    design beats the majority would make any ranks differ.

    Args:
        shared: the designs.
        margin: smallest difference worth a verdict, fraction 0 to 1.
        lower: the scores are errors: less is better.

    Raises:
        ConfigError: there is but one data set, or the margin is no fraction.
    """
    count = len(shared.scores)
    if count < 2:
        raise ConfigError(f"A ranking is over at least 2 data sets, got {count}.")
    if not 0 <= margin < 1:
        raise ConfigError(f"The margin is a fraction from 0 to below 1, got {margin:g}. For one point give 0.01.")
    pooled = {
        design: pool_differences(np.array([d.delta for d in own]), np.array([d.standard_error for d in own]))
        for design, own in shared.differences.items()
    }
    judged = [design for design, role in shared.roles.items() if role == "contender"]
    p_values = dict(zip(judged, holm([pooled[design].p for design in judged]), strict=True))
    ranked = [place for place, role in enumerate(shared.roles.values()) if role != "floor"]
    ranks = dict(zip(ranked, rank_scores(shared.scores[:, ranked], lower).T, strict=True))
    designs = []
    for place, (design, role) in enumerate(shared.roles.items()):
        own, p = pooled.get(design), p_values.get(design)
        verdict = role if own is None or p is None else judge(own.mean, p, margin, lower)
        sentence = "" if own is None else say_design(design, shared.baseline, own, verdict, margin, count)
        places = ranks.get(place)
        designs.append(
            RankedDesign(
                design=design,
                role=role,
                scores=[float(score) for score in shared.scores[:, place]],
                differences=list(shared.differences.get(design, [])),
                pooled=own,
                p_holm=p,
                ranks=[] if places is None else [float(rank) for rank in places],
                rank=None if places is None else float(places.mean()),
                verdict=verdict,
                sentence=sentence,
            )
        )
    sign = 1 if lower else -1
    return sorted(designs, key=lambda one: sign * (one.pooled.mean if one.pooled else 0.0))


def compare_ranks(designs: Sequence[RankedDesign]) -> RankTest | None:
    """Test whether the average ranks differ; None where fewer than two designs are ranked.

    Where they are not shown to differ at all, no two designs are: all are one group, whatever Nemenyi's test says.
    """
    ranked = [one for one in designs if one.rank is not None]
    if len(ranked) < 2:
        return None
    test = friedman(np.array([one.ranks for one in ranked]).T)
    width = critical_difference(len(ranked), len(ranked[0].ranks))
    averages = [one.rank or 0.0 for one in ranked]
    groups = group_ranks(averages, width if test.p < ALPHA else np.inf)
    names = [[ranked[place].design for place in group] for group in groups]
    return RankTest(test.chi_square, test.f, test.f_p, test.p, width, names)


def pair_ranks(designs: Sequence[RankedDesign], lower: bool = False) -> list[RankPair]:
    """Compare each pair of ranked designs by signed ranks, Holm over all pairs, where there are enough data sets."""
    ranked = sorted((one for one in designs if one.rank is not None), key=lambda one: one.rank or 0.0)
    pairs = list(itertools.combinations(ranked, 2))
    sign = -1 if lower else 1
    p_values: list[float | None] = [None] * len(pairs)
    if ranked and len(ranked[0].scores) >= LEAST:
        gaps = [sign * (np.array(first.scores) - np.array(second.scores)) for first, second in pairs]
        p_values = [*holm([signed_rank(gap) for gap in gaps])]
    return [
        RankPair(first.design, second.design, (second.rank or 0.0) - (first.rank or 0.0), p)
        for (first, second), p in zip(pairs, p_values, strict=True)
    ]
