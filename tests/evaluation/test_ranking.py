"""Designs over data sets: who is judged, by what family, in which words, and how rarely in error."""

import dataclasses

import numpy as np
import pytest

from interfuse.core.errors import ConfigError
from interfuse.core.ranking import DataSet, DataSetDifference
from interfuse.evaluation import (
    SharedScores,
    compare_ranks,
    holm,
    pair_ranks,
    pool_differences,
    rank_designs,
    say_caution,
    say_heterogeneity,
    say_ranking,
    say_ranks,
)

BASE = np.array([0.70, 0.60, 0.80, 0.75, 0.65, 0.72, 0.68, 0.77])
ERROR = 0.005


def share(gains: dict[str, float], floors: tuple[str, ...] = (), count: int = 8, spread=0.004, seed=0) -> SharedScores:
    """Designs with a known mean gain over the baseline, which differs a little on each data set."""
    random = np.random.default_rng(seed)
    roles = {"base": "baseline"} | {name: "floor" if name in floors else "contender" for name in gains}
    deltas = {name: gain + random.normal(0, spread, count) for name, gain in gains.items()}
    scores = np.stack([BASE[:count], *(BASE[:count] + delta for delta in deltas.values())], axis=1)
    half = 1.96 * ERROR
    differences = {
        name: [DataSetDifference(float(d), float(d) - half, float(d) + half, ERROR) for d in delta]
        for name, delta in deltas.items()
    }
    return SharedScores(roles, scores, differences)


def test_a_gain_on_all_data_sets_wins_and_a_loss_loses_in_words():
    shared = share({"good": 0.05, "same": 0.0, "bad": -0.04, "text_only": -0.2}, ("text_only",))
    designs = rank_designs(shared, 0.01)
    words = {one.design: one.verdict for one in designs}
    assert words == {"good": "wins", "base": "baseline", "same": "no evidence", "bad": "loses", "text_only": "floor"}
    assert [designs[place].design for place in (0, 3, 4)] == ["good", "bad", "text_only"]
    by_name = {one.design: one for one in designs}
    assert by_name["good"].sentence.startswith("good beats base over data sets like these (Δ 5.")
    assert "8 data sets; on a new one between" in by_name["good"].sentence
    assert by_name["bad"].sentence.startswith("bad loses to base over data sets like these (Δ −3.9 ")
    assert by_name["same"].sentence.startswith("No evidence that same differs from base over data sets like these (Δ ")
    assert by_name["text_only"].sentence.startswith("text_only is a floor")
    assert by_name["base"].sentence == ""
    assert say_ranking(designs, "base", 8) == by_name["good"].sentence


def test_the_family_is_the_designs_that_are_judged_and_floors_have_no_rank():
    shared = share({"a": 0.02, "b": 0.004, "floor": -0.2}, ("floor",))
    designs = {one.design: one for one in rank_designs(shared, 0.01)}
    own = [
        pool_differences(np.array([d.delta for d in shared.differences[name]]), np.full(8, ERROR)).p for name in "ab"
    ]
    assert [designs[name].p_holm for name in "ab"] == pytest.approx(holm(own))
    assert designs["floor"].p_holm is None
    assert (designs["floor"].rank, designs["floor"].ranks) == (None, [])
    assert {rank for name in ("a", "b", "base") for rank in designs[name].ranks} == {1.0, 2.0, 3.0}


def test_less_error_is_better():
    shared = share({"worse": 0.05, "better": -0.05})
    designs = rank_designs(shared, 0.01, lower=True)
    assert [(one.design, one.verdict) for one in designs] == [
        ("better", "wins"),
        ("base", "baseline"),
        ("worse", "loses"),
    ]
    assert [one.rank for one in designs] == [1.0, 2.0, 3.0]
    pairs = {(pair.first, pair.second): pair for pair in pair_ranks(designs, lower=True)}
    assert pairs["better", "worse"].ranks == 2.0


def test_a_sure_difference_below_the_margin_is_small():
    (one, _) = rank_designs(share({"hair": 0.006}, spread=0.001), 0.01)
    assert one.verdict == "small"
    assert one.pooled.p < 0.05
    assert one.sentence.startswith("hair differs from base over data sets like these, but by less than the margin")
    (one, _) = rank_designs(share({"hair": 0.006}, spread=0.001), 0.0)
    assert one.verdict == "wins"


def test_a_lucky_standard_error_alone_makes_no_verdict():
    # one data set with next to no error draws all the weight; the plain mean of the three says nothing
    deltas, errors = [0.03, 0.05, -0.02], [0.0005, 0.04, 0.04]
    own = [DataSetDifference(d, d - 2 * e, d + 2 * e, e) for d, e in zip(deltas, errors, strict=True)]
    scores = np.array([[0.7, 0.7 + d] for d in deltas])
    (one, _) = rank_designs(SharedScores({"base": "baseline", "new": "contender"}, scores, {"new": own}), 0.01)
    assert one.pooled.weights[0] > 0.99
    assert one.pooled.low > 0
    assert one.verdict == "no evidence"


@pytest.mark.parametrize("count", [3, 5, 10])
def test_where_no_design_is_better_any_is_called_so_in_one_ranking_of_twenty_at_most(count):
    random, repeats, wrong = np.random.default_rng(count), 150, 0
    roles = {"base": "baseline", **dict.fromkeys("abcd", "contender")}
    for _ in range(repeats):
        base = random.normal(0, 0.02, count)  # every contrast shares the baseline's luck, as in a study
        errors = np.exp(random.uniform(np.log(0.003), np.log(0.03), (4, count)))
        deltas = random.normal(0, 0.02, (4, count)) - base + random.normal(0, errors)
        noted = errors * np.sqrt(random.chisquare(4, errors.shape) / 4)
        differences = {
            name: [DataSetDifference(d, d - 2 * e, d + 2 * e, e) for d, e in zip(own, own_errors, strict=True)]
            for name, own, own_errors in zip("abcd", deltas.tolist(), noted.tolist(), strict=True)
        }
        scores = np.concatenate([np.zeros((count, 1)), deltas.T], axis=1)
        wrong += any(
            one.verdict in ("wins", "loses") for one in rank_designs(SharedScores(roles, scores, differences), 0.0)
        )
    assert wrong / repeats <= 0.05 + 0.053  # three standard errors


def test_ranks_that_are_not_shown_to_differ_are_one_group_and_few_data_sets_are_said_to_be():
    few = rank_designs(share({"a": 0.05, "b": 0.02}, count=2), 0.01)
    test = compare_ranks(few)
    assert test.p > 0.05
    assert test.groups == [["a", "b", "base"]]
    pairs = pair_ranks(few)
    assert {pair.p_holm for pair in pairs} == {None}
    said = " ".join(say_ranks(test, few, pairs))
    assert "No evidence that the designs rank differently" in said
    assert "F infinite" in said
    assert "2 data sets rank 3 designs all alike by chance with p 0.167" in said
    assert "2 data sets are too few for signed ranks" in said


def test_enough_data_sets_tell_ranks_apart_and_pairs_too_many_for_them_are_said_to_be():
    many = rank_designs(share({"a": 0.06, "b": 0.03}), 0.01)
    test, pairs = compare_ranks(many), pair_ranks(many)
    assert test.p < 0.01
    assert test.groups == [["a", "b"], ["b", "base"]]  # 1 rank apart, and the critical difference is 1.17
    assert [pair.p_holm for pair in pairs] == pytest.approx([3 * 2 / 2**8] * 3)
    assert say_ranks(test, many, pairs) == [
        "The average ranks differ (Friedman χ² 16.00, F infinite, p < 0.001 by permutation, 3 designs on 8 data sets)."
    ]
    wide = rank_designs(share({name: 0.01 * n for n, name in enumerate("abcde")}, count=6), 0.01)
    said = " ".join(say_ranks(compare_ranks(wide), wide, pair_ranks(wide)))
    assert (
        "6 data sets are too few for the signed ranks of 15 pairs: the smallest adjusted p that they can have is 0.469"
        in said
    )


def test_the_whole_verdict_names_winners_or_losers_or_nobody():
    def say(gains, floors=(), count=8):
        return say_ranking(rank_designs(share(gains, floors, count), 0.01), "base", count)

    assert say({"a": 0.06, "b": 0.04}).endswith(" So does b.")
    assert say({"a": 0.06, "b": 0.05, "c": 0.04}).endswith(" So do b, c.")
    assert say({"a": 0.0, "b": -0.05}) == (
        "No design is shown to beat base over data sets like these, and b loses to it (8 data sets)."
    )
    assert say({"a": 0.0, "b": 0.0}, count=3) == (
        "No evidence that any of 2 designs differs from base over data sets like these (3 data sets)."
    )
    assert say({"a": 0.0}).startswith("No evidence that a differs from base")
    assert say({"f": -0.1}, ("f",)).startswith("No verdict: the 8 data sets share no design that is judged")


def test_disagreement_few_data_sets_and_single_seeds_are_said():
    varied = rank_designs(share({"a": 0.02}, spread=0.05), 0.01)
    assert say_heterogeneity(varied)[0].startswith("The data sets disagree by more than their own errors on a (τ ")
    assert say_heterogeneity(rank_designs(share({"a": 0.02}, spread=0.0), 0.01)) == []
    data_sets = [DataSet(name, name, name, 100, seeds, "base") for name, seeds in (("x", 1), ("y", 3))]
    few, single = say_caution(data_sets)
    assert few.startswith("2 data sets: an interval has 1 degree of freedom")
    assert single.startswith("One seed on x:")
    assert say_caution([dataclasses.replace(data_sets[1], name=str(n)) for n in range(5)]) == []


def test_one_data_set_and_a_margin_that_is_no_fraction_are_refused():
    with pytest.raises(ConfigError, match="at least 2 data sets, got 1"):
        rank_designs(share({"a": 0.1}, count=1), 0.01)
    with pytest.raises(ConfigError, match="fraction from 0 to below 1, got 2"):
        rank_designs(share({"a": 0.1}), 2.0)
