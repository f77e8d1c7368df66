"""Examples that need both modalities: right with both, wrong with either alone; and their share without chance."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from interfuse.evaluation.components import mean_interval
from interfuse.evaluation.emap import tied_scores
from interfuse.evaluation.intervals import Interval

RIGHT = 0.5
"""Score from which a row counts as right."""
PERMUTATIONS = 100
"""Of the labels, which tell how often an answer is right by chance."""
LEAST_ROOM = 0.1
"""Share of rows that guesses with either alone must leave wrong, so that the rows that need both show there."""


class Share(NamedTuple):
    """A share of rows with what each row adds to it; their mean is the share, but for rounding."""

    value: float
    by_row: Float[np.ndarray, " rows"]


@dataclass(frozen=True)
class NeedsBoth:
    """Which rows are right only with both modalities."""

    rows: Int[np.ndarray, " found"]
    """Their numbers, in order."""
    observed: Interval
    """Part of all rows that are right with both and wrong with either alone, fraction 0 to 1."""
    share: Interval
    """Part of all rows that need both: `observed` without what guessing takes off and adds, fraction 0 to 1."""
    chance: float
    """Part of the rows that a guess with the image alone, or with the text alone, gets right."""
    image_suffices: float
    """Part of the rows that are right with the image alone."""
    text_suffices: float
    """Part of the rows that are right with the text alone."""
    by_row: Float[np.ndarray, " rows"]
    """What each row adds to the share."""


def find_needs_both(
    both: Float[np.ndarray, "rows classes"],
    image_alone: Float[np.ndarray, "rows classes"],
    text_alone: Float[np.ndarray, "rows classes"],
    labels: Num[np.ndarray, "..."],
    task: str,
    groups: Int[np.ndarray, " rows"] | None = None,
) -> NeedsBoth:
    """Find the rows whose score is above ½ with both modalities and at most ½ with either alone; estimate their share.

    A row that needs both may be guessed from one alone, and is then not found: of exclusive or only a quarter to a half
    of the rows is. A row is taken to be known or guessed. With N the share found, W that of the rows which are wrong
    in all three states, c and g how often permuted labels are what either alone answers, and what both answer, the
    share of the rows that both know and neither alone is `(N − W g / (1 − g)) / (1 − c)`. Where guesses with either
    alone leave fewer than a tenth of the rows wrong (1 − c), it lies between `K − K_i − K_t` and `K − max(K_i, K_t)`,
    each K a state's score without chance, `(score − chance) / (1 − chance)`: the interval then spans both. So it does
    where the estimate and these bounds have nothing in common: a network that learnt a part of exclusive or answers its
    errors with both and with either alone as it does its hits, and rows are then not known or guessed.

    Args:
        both: logits of each row with both modalities, as `tied_scores` takes them.
        image_alone: logits with the text absent.
        text_alone: logits with the image absent.
        labels: as `example_scores`.
        task: of the rows.
        groups: rows of one group are one item of the intervals.
    """
    states, spread = (both, image_alone, text_alone), float(both.std())

    def right(truth: np.ndarray) -> Bool[np.ndarray, "states rows"]:
        scores = np.stack([tied_scores(logits, truth, task, spread) for logits in states]) > RIGHT
        return np.concatenate([scores, [scores[1] | scores[2]]])

    own, chances = right(labels), _permute(right, labels)
    hits = own[0] & ~own[3]
    observed = mean_interval(hits.astype(np.float64)[None], groups, lowest=0.0).within(0.0, 1.0)
    ends, bounds = _estimate(own, chances), _bounds(own, chances)
    intervals = [mean_interval(by_row[None], groups) for by_row in ends]
    outer = [mean_interval(by_row[None], groups) for by_row in bounds]
    if intervals[-1].high < outer[0].low or intervals[0].low > outer[-1].high:
        ends, intervals = bounds, outer
    by_row = np.mean(ends, axis=0)
    low, mean, high = np.clip([intervals[0].low, by_row.mean(), intervals[-1].high], 0.0, 1.0).tolist()
    share = replace(intervals[0], mean=mean, low=low, high=high)
    alone = float(own[1].mean()), float(own[2].mean())
    return NeedsBoth(np.flatnonzero(hits), observed, share, chances[3].value, *alone, by_row)


def _permute(right: Callable[[np.ndarray], np.ndarray], labels: np.ndarray) -> list[Share]:
    """Return how often each state is right of permuted labels; a row adds its answer and its label."""
    draw, rows = np.random.default_rng(0), len(labels)
    by_answer = by_label = np.zeros((4, rows))
    for _ in range(PERMUTATIONS):
        order = draw.permutation(rows)
        hits = right(labels[order]) / PERMUTATIONS
        by_answer, by_label = by_answer + hits, by_label + hits[:, np.argsort(order)]
    return [Share(float(a.mean()), a + b - a.mean()) for a, b in zip(by_answer, by_label, strict=True)]


def _estimate(own: Bool[np.ndarray, "states rows"], chances: list[Share]) -> list[Float[np.ndarray, " rows"]]:
    """Return what each row adds to the share: one estimate, or a lower and an upper one."""
    guessed, covered = chances[0], chances[3]
    room, odds = 1 - covered.value, guessed.value / max(1 - guessed.value, 1e-12)
    if room < LEAST_ROOM or odds > 1 / LEAST_ROOM:
        return _bounds(own, chances)
    right, wrong = (own[0] & ~own[3]).astype(np.float64), (~own[0] & ~own[3]).astype(np.float64)
    share = (right.mean() - odds * wrong.mean()) / room
    moved = right - odds * wrong - (right.mean() - odds * wrong.mean())
    moved -= wrong.mean() / (1 - guessed.value) ** 2 * (guessed.by_row - guessed.value)
    return [share + (moved + share * (covered.by_row - covered.value)) / room]


def _bounds(own: Bool[np.ndarray, "states rows"], chances: list[Share]) -> list[Float[np.ndarray, " rows"]]:
    """Return what each row adds to the least and to the greatest share that the states' scores allow."""
    both, image, text = (_without_chance(own[at], chances[at]) for at in range(3))
    image, text = (alone if alone.mean() > 0 else np.zeros_like(alone) for alone in (image, text))  # worse than chance
    larger = image if image.mean() >= text.mean() else text
    return [both - image - text, both - larger]


def _without_chance(right: Bool[np.ndarray, " rows"], chance: Share) -> Float[np.ndarray, " rows"]:
    """Return what each row adds to `(score − chance) / (1 − chance)`; 0 where chance is always right."""
    room, score = 1 - chance.value, float(right.mean())
    if room < 1e-12:
        return np.zeros(len(right))
    moved = right - score - (1 - score) / room * (chance.by_row - chance.value)
    return np.asarray((score - chance.value + moved) / room)
