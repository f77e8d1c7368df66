"""Sentences of a ranking over data sets. Numbers come in as fractions, prose is in points."""

import math
from collections.abc import Sequence

from interfuse.core.ranking import DataSet, Pooled, RankedDesign, RankPair, RankTest
from interfuse.evaluation.contrasts import ALPHA
from interfuse.evaluation.phrases import spell_margin, spell_p
from interfuse.evaluation.phrases import spell_points as _points
from interfuse.evaluation.signed_rank import LEAST, least_signed_rank

LIKE = "over data sets like these"
NAMED = 4
"""So many designs are named in a sentence."""


def say_design(design: str, baseline: str, pooled: Pooled, verdict: str, margin: float, count: int) -> str:
    """Return the verdict on one design as a sentence; `count`: of data sets."""
    sets, interval = f"{count} data sets", f"95 % CI {_points(pooled.low)} to {_points(pooled.high)}"
    new = ""
    if pooled.new_low is not None and pooled.new_high is not None:
        new = f"; on a new one between {_points(pooled.new_low)} and {_points(pooled.new_high)}"
    if verdict in ("wins", "loses"):
        word = "beats" if verdict == "wins" else "loses to"
        return f"{design} {word} {baseline} {LIKE} (Δ {_points(pooled.mean)} on average, {interval}, {sets}{new})."
    if verdict == "floor":
        return f"{design} is a floor (Δ {_points(pooled.mean)} from {baseline} on average, {interval}, {sets}{new})."
    if verdict == "small":
        return (
            f"{design} differs from {baseline} {LIKE}, but by less than the margin of {spell_margin(margin)} "
            f"(Δ {_points(pooled.mean)} on average, {interval}, {sets}{new})."
        )
    return (
        f"No evidence that {design} differs from {baseline} {LIKE} "
        f"(Δ {_points(pooled.mean)} on average, {interval}, {sets}{new})."
    )


def say_ranking(designs: Sequence[RankedDesign], baseline: str, count: int) -> str:
    """Return the verdict of the whole ranking.

    Args:
        designs: the best first.
        baseline: that they are compared with.
        count: of data sets.
    """
    judged = [one for one in designs if one.role == "contender"]
    winners, losers = ([one.design for one in judged if one.verdict == word] for word in ("wins", "loses"))
    if winners:
        best = next(one for one in judged if one.verdict == "wins")
        others = f" So {'does' if len(winners) == 2 else 'do'} {_name(winners[1:])}." if winners[1:] else ""
        return best.sentence + others
    if not judged:
        return f"No verdict: the {count} data sets share no design that is judged against {baseline}, only floors."
    if len(judged) == 1:
        return judged[0].sentence
    if losers:
        verb = "loses" if len(losers) == 1 else "lose"
        return f"No design is shown to beat {baseline} {LIKE}, and {_name(losers)} {verb} to it ({count} data sets)."
    if any(one.verdict == "small" for one in judged):
        return f"No design is shown to beat {baseline} by more than the margin {LIKE} ({count} data sets)."
    return f"No evidence that any of {len(judged)} designs differs from {baseline} {LIKE} ({count} data sets)."


def say_heterogeneity(designs: Sequence[RankedDesign]) -> list[str]:
    """Name the designs whose difference is not the same on all data sets."""
    varied = [one for one in designs if one.pooled and one.role == "contender" and one.pooled.q_p < ALPHA]
    if not varied:
        return []
    parts = [f"{one.design} (τ {_points(one.pooled.tau)} points)" for one in varied[:NAMED] if one.pooled]
    more = f" and {len(varied) - NAMED} more" if len(varied) > NAMED else ""
    return [
        f"The data sets disagree by more than their own errors on {', '.join(parts)}{more}: an average says little of "
        "any one of them. Look at each."
    ]


def say_ranks(test: RankTest | None, designs: Sequence[RankedDesign], pairs: Sequence[RankPair]) -> list[str]:
    """Return what the ranks say, and what so few data sets can say at all."""
    ranked = [one for one in designs if one.rank is not None]
    if test is None:
        return []
    count = len(ranked[0].ranks)
    f = "infinite" if test.f is None else f"{test.f:.2f}"
    opening = "The average ranks differ" if test.p < ALPHA else "No evidence that the designs rank differently"
    figures = f"Friedman χ² {test.chi_square:.2f}, F {f}, p {spell_p(test.p)} by permutation"
    sentences = [f"{opening} ({figures}, {len(ranked)} designs on {count} data sets)."]
    alike = 1 / math.factorial(len(ranked)) ** (count - 1)
    if alike >= ALPHA:
        sentences.append(
            f"So few ranks cannot differ for sure: {count} data sets rank {len(ranked)} designs all alike by chance "
            f"with p {spell_p(alike)}."
        )
    least = min(1.0, len(pairs) * least_signed_rank(count))
    if count < LEAST:
        sentences.append(
            f"{count} data sets are too few for signed ranks: with fewer than {LEAST} no outcome reaches p below 0.05."
        )
    elif least >= ALPHA:
        sentences.append(
            f"{count} data sets are too few for the signed ranks of {len(pairs)} pairs: the smallest adjusted p that "
            f"they can have is {spell_p(least)}. Compare fewer designs, or more data sets."
        )
    return sentences


def say_caution(data_sets: Sequence[DataSet]) -> list[str]:
    """Return what limits any ranking of these data sets."""
    count, sentences = len(data_sets), []
    if count < 5:
        sentences.append(
            f"{count} data sets: an interval has {count - 1} degree{'s' if count > 2 else ''} of freedom, so only a "
            "large difference that all of them share can be told."
        )
    single = [one.name for one in data_sets if one.seeds == 1]
    if single:
        sentences.append(
            f"One seed on {_name(single)}: the luck of that training counts as a difference of that data set."
        )
    return sentences


def _name(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
