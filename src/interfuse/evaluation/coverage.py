"""How often an interval covers the truth, and how often a study errs, where the truth is known: we made it up."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
from jaxtyping import Float, Int

from interfuse.core.settings import at_least
from interfuse.evaluation.comparison import compare_designs
from interfuse.evaluation.contrasts import Rules
from interfuse.evaluation.design_scores import DesignScores
from interfuse.evaluation.intervals import Interval

WITHIN_GROUP = 0.4
"""Part of a row's ease that its group has in common."""
LARGEST = 200
"""Rows of the largest uneven group."""


@dataclass(frozen=True)
class Regime:
    """A study as people have it: designs whose true accuracy is known, scored right or wrong on the same rows.

    Training s of design d is right on row i where `m + u_ds + r_i + p_di + e_dsi > 0`: u the luck of a training, r what
    makes a row hard for all designs, p what makes it hard for this one in every training, e what is new each time;
    all normal, r, p and e of variance 1 together, their groups' parts in common. So the accuracy is known.
    """

    seeds: int = 5
    rows: int = 1000
    designs: int = 5
    accuracy: float = 0.8
    """Of every design, fraction 0 to 1; of the first, where they differ."""
    best: float | None = None
    """Accuracy of the last design, where they differ: those between stand evenly between, in probits."""
    groups: int | Literal["uneven"] = 1
    """Rows that share a picture; `uneven`: lognormal sizes of 1 to 200."""
    persistence: float = 0.3
    """Part of a row's ease that belongs to the design and stays from training to training."""
    common: float = 0.2
    """Part of a row's ease that all designs share."""
    luck: float = 0.06
    """Standard deviation of u, in probits: 0.06 moves an accuracy of 80 by 1.7 points."""
    unlike: float = 0.5
    """Standard deviation of the logarithm of that: designs differ in how much their trainings do."""
    collapses: float = 0.0
    """Part of the trainings that collapse, to half of the accuracy."""

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        at_least("regime", 1, seeds=self.seeds, rows=self.rows, designs=self.designs)
        at_least("regime", 0, luck=self.luck, unlike=self.unlike, collapses=self.collapses)
        at_least("regime", 0, new=1 - self.persistence - self.common, persistence=self.persistence, common=self.common)

    @property
    def truths(self) -> Float[np.ndarray, " designs"]:
        """True score of each design."""
        return np.asarray(scipy.stats.norm.cdf(self._levels()) * (1 - self.collapses / 2))

    def draw(self, random: np.random.Generator) -> dict[str, DesignScores]:
        """Draw one study: `d0`, `d1`, … with their test scores, and none of validation."""
        groups = self._groups(random)
        luck = self.luck * np.exp(random.normal(0, self.unlike, self.designs))
        middle = self._levels() * np.sqrt(1 + luck**2)
        shared, new = np.sqrt(self.common) * self._ease(random, groups), 1 - self.common - self.persistence
        scores = {}
        for design in range(self.designs):
            ease = shared + np.sqrt(self.persistence) * self._ease(random, groups)
            test = np.empty((self.seeds, self.rows))
            for seed in range(self.seeds):
                here = ease + np.sqrt(new) * self._ease(random, groups)
                test[seed] = here > -middle[design] - random.normal(0, luck[design])
                if random.random() < self.collapses:
                    test[seed] *= random.random(self.rows) < 0.5
            scores[f"d{design}"] = DesignScores(test, np.empty((self.seeds, 0)), groups, False, False)
        return scores

    def _levels(self) -> Float[np.ndarray, " designs"]:
        """Accuracy of each design in probits."""
        best = self.accuracy if self.best is None else self.best
        return np.linspace(scipy.stats.norm.ppf(self.accuracy), scipy.stats.norm.ppf(best), self.designs)

    def _ease(self, random: np.random.Generator, groups: Int[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
        if self.groups == 1:
            return random.standard_normal(self.rows)
        by_group = random.standard_normal(groups[-1] + 1)[groups]
        own = random.standard_normal(self.rows)
        return np.asarray(np.sqrt(WITHIN_GROUP) * by_group + np.sqrt(1 - WITHIN_GROUP) * own)

    def _groups(self, random: np.random.Generator) -> Int[np.ndarray, " rows"]:
        if isinstance(self.groups, int):
            return np.arange(self.rows) // self.groups
        sizes = np.clip(np.exp(random.normal(1.5, 1.2, self.rows)), 1, LARGEST).astype(int)
        return np.repeat(np.arange(self.rows), sizes)[: self.rows]


@dataclass(frozen=True)
class Coverage:
    """How a study's promises were kept, shares of all that were drawn."""

    own: float
    """95 % intervals of a design's score that hold the truth."""
    difference: float
    """95 % intervals of a difference that hold it."""
    false_verdicts: float
    """Studies that call any design a winner or a loser that is none."""
    width: float
    """Mean width of a difference's interval, a fraction."""


def measure_coverage(regime: Regime, repeats: int = 2000, seed: int = 0, grouped: bool = True) -> Coverage:
    """Draw studies and count how often they are right.

    Args:
        regime: how a study is drawn.
        repeats: studies drawn; the standard error of a coverage is about `0.22 / √repeats`, or less.
        seed: of the draws.
        grouped: whether the study is told the groups.
    """
    at_least("coverage", 1, repeats=repeats)
    random, counts = np.random.default_rng(seed), np.zeros(4)
    truths = regime.truths.tolist()
    ahead = [truth - truths[0] for truth in truths]
    for _ in range(repeats):
        scores = regime.draw(random)
        if not grouped:
            scores = {name: _forget_groups(entry) for name, entry in scores.items()}
        results = compare_designs(scores, "d0", Rules()).results
        deltas = [(result.delta.interval, gap) for result, gap in zip(results, ahead, strict=True) if result.delta]
        counts += [
            float(np.mean([_holds(result.mean, truth) for result, truth in zip(results, truths, strict=True)])),
            float(np.mean([_holds(interval, gap) for interval, gap in deltas])) if deltas else math.nan,
            float(any(_is_false(result.verdict, gap) for result, gap in zip(results, ahead, strict=True))),
            float(np.mean([interval.high - interval.low for interval, _ in deltas])) if deltas else math.nan,
        ]
    return Coverage(*(counts / repeats).tolist())


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def _is_false(verdict: str, ahead: float) -> bool:
    """Whether a design is called better that is not, or worse."""
    return (verdict.endswith("wins") and ahead <= 0) or (verdict.endswith("loses") and ahead >= 0)


def _forget_groups(entry: DesignScores) -> DesignScores:
    return DesignScores(entry.test, entry.validation, np.arange(entry.test.shape[1]), entry.floor, entry.unimodal)
