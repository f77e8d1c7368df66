"""Designs against a baseline: differences, intervals, Holm, and the contrast the study was made for."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from interfuse.core.errors import ConfigError
from interfuse.core.tasks import lowest_score
from interfuse.evaluation.bootstrap import Drawn
from interfuse.evaluation.fold_component import fold_means
from interfuse.evaluation.holm import holm
from interfuse.evaluation.intervals import ROUNDING, Interval, mean_interval
from interfuse.evaluation.resplit import Resplit
from interfuse.evaluation.verdicts import (
    NO_VALIDATION,
    NO_VERDICT,
    ONE_SEED,
    judge,
    say_against_baseline,
    say_choice,
    say_majority,
    say_no_model,
    say_study,
)

MAJORITY = "majority"
"""Name of the floor that always gives the most frequent label, or the mean number; neither fusion nor control."""


@dataclass(frozen=True)
class DesignScores:
    """Row scores of one design, seed by seed; rows and seeds in the same order for every design."""

    test: Float[np.ndarray, "seeds rows"]
    validation: Float[np.ndarray, "seeds validation_rows"]
    groups: Int[np.ndarray, " rows"]
    """Group of each test row."""
    floor: bool
    """Whether the table calls it a floor instead of judging it."""
    unimodal: bool
    """Whether it sees one modality only."""
    drawn: Drawn | Resplit | None = None
    """What there is on test instead of row scores: a metric that is no mean over rows, or the scores of splits made
    anew; `validation` is then a value a seed."""
    folds: Int[np.ndarray, " rows"] | None = None
    """In which fold each row is a test row; none where there is one split."""


@dataclass(frozen=True)
class DesignResult:
    """What the comparison says of one design."""

    design: str
    mean: Interval
    delta: Interval | None
    """Mean minus the baseline's; None for the baseline itself."""
    p_holm: float | None
    verdict: str
    """wins, loses, no evidence, floor or baseline."""


@dataclass(frozen=True)
class Comparison:
    """The verdict on every design, and the study's own."""

    results: Sequence[DesignResult]
    verdict: str
    """The fusion best on validation against the unimodal control best on validation."""
    details: Sequence[str]
    fusion: str | None = None
    """The fusion that the verdict speaks of; None where there is no verdict."""
    control: str | None = None
    contrast: Interval | None = None
    """Fusion minus control on test."""


def compare_designs(
    scores: Mapping[str, DesignScores],
    baseline: str,
    margin: float = 0.01,
    task: str = "multiclass",
    lower: bool = False,
) -> Comparison:
    """Compare every design with the baseline, and the best fusion with the best control.

    Holm's family is every contrast against the baseline, floors included. `wins`: adjusted p below 0.05 and a mean
    difference above `margin`; `loses` likewise. The study's verdict stands outside that family: it is one contrast,
    declared beforehand, between two designs that validation chose and test did not, so its p needs no adjustment.

    Args:
        scores: each design's scores by its name.
        baseline: name of the design that all are compared with.
        margin: smallest difference worth a verdict, fraction 0 to 1, set before the study.
        task: of the rows; regression's scores (R²) have no lower bound.
        lower: the scores are errors: less is better, and there is no upper bound.

    Raises:
        ConfigError: the baseline is no design, the margin is no fraction, or the designs were not scored on the same
            rows and seeds.
    """
    _check(scores, baseline, margin)
    base = scores[baseline]
    others = [name for name in scores if name != baseline]
    lowest = lowest_score(task)
    deltas = {name: difference(scores[name], base, lowest) for name in others}
    p_holm = dict(zip(others, holm([deltas[name].p for name in others]), strict=True))
    results = []
    for name, entry in scores.items():
        mean = _mean(entry, lowest).within(*((0.0, math.inf) if lower else (lowest, 1.0)))
        if name == baseline:
            results.append(DesignResult(name, mean, None, None, "baseline"))
            continue
        word = "floor" if entry.floor else judge(deltas[name].mean, p_holm[name], margin, lower)
        results.append(DesignResult(name, mean, deltas[name], p_holm[name], word))
    return _conclude(scores, results, baseline, margin, task, lower)


def difference(first: DesignScores, second: DesignScores, lowest: float) -> Interval:
    """Return the interval of one design's score minus the other's; `lowest` is the smallest that a score can be."""
    drawn = _subtract(first.drawn, second.drawn)
    interval = drawn.interval() if drawn else _row_interval(first.test - second.test, first, lowest - 1.0)
    return interval.within(lowest - 1.0, 1.0 - lowest)


def _subtract(first: Drawn | Resplit | None, second: Drawn | Resplit | None) -> Drawn | Resplit | None:
    """Return the paired difference of what was drawn alike; None where there are row scores."""
    if isinstance(first, Drawn) and isinstance(second, Drawn):
        return first - second
    return first - second if isinstance(first, Resplit) and isinstance(second, Resplit) else None


def _mean(entry: DesignScores, lowest: float) -> Interval:
    return _row_interval(entry.test, entry, lowest) if entry.drawn is None else entry.drawn.interval()


def _row_interval(table: np.ndarray, entry: DesignScores, lowest: float) -> Interval:
    """Return the interval over rows and seeds, and over folds where there are several."""
    interval = mean_interval(table, entry.groups, lowest=lowest)
    return interval if entry.folds is None else fold_means(table, entry.folds).widen(interval)


def _conclude(
    scores: Mapping[str, DesignScores],
    results: list[DesignResult],
    baseline: str,
    margin: float,
    task: str,
    lower: bool,
) -> Comparison:
    """Choose fusion and control on validation, contrast them on test, and add the details that go with the verdict."""
    controls = [name for name, entry in scores.items() if entry.unimodal]
    fusions = [name for name, entry in scores.items() if not entry.unimodal and name != MAJORITY]
    fusions.sort(key=lambda name: (scores[name].floor, name == baseline))  # of equals one that was asked for
    by_design = {result.design: result for result in results}
    caveats = [ONE_SEED] if scores[baseline].test.shape[0] == 1 else []
    if not controls or not fusions:
        return Comparison(results, NO_VERDICT, caveats)
    if not all(scores[name].validation.size for name in fusions + controls):
        return Comparison(results, NO_VALIDATION, caveats)
    fusion, control = (best_on_validation(scores, names, lower) for names in (fusions, controls))
    lowest = lowest_score(task)
    contrast = difference(scores[fusion], scores[control], lowest)
    tied = [name for names in (fusions, controls) for name in names if _as_good(scores, name, (fusion, control))]
    details = [say_choice(fusion, control, tied, alone=len(controls) == 1)]
    delta, p = by_design[fusion].delta, by_design[fusion].p_holm
    details.append(say_against_baseline(fusion, baseline, delta, 1.0 if p is None else p, margin, lower))
    beaten = True
    if MAJORITY in scores:
        above = difference(scores[fusion], scores[MAJORITY], lowest)
        constant = "mean of the train rows" if task == "regression" else "most frequent label"
        details.append(say_majority(by_design[MAJORITY].mean.mean, fusion, above, constant, lower))
        beaten = judge(above.mean, above.p, 0.0, lower) == "wins"
    verdict = say_study(fusion, control, contrast, margin, lower) if beaten else say_no_model(fusion, control, contrast)
    return Comparison(results, verdict, details + caveats, fusion, control, contrast)


def best_on_validation(scores: Mapping[str, DesignScores], names: Sequence[str], lower: bool = False) -> str:
    """Return the name with the best mean on validation (the lowest of an error); the first of equals."""
    sign = -1 if lower else 1
    return max(names, key=lambda name: sign * float(scores[name].validation.mean()))


def _as_good(scores: Mapping[str, DesignScores], name: str, chosen: tuple[str, str]) -> bool:
    """Whether the design is another than the chosen of its kind, and as good on validation."""
    rival = next(other for other in chosen if scores[other].unimodal == scores[name].unimodal)
    near = abs(float(scores[name].validation.mean() - scores[rival].validation.mean())) <= ROUNDING
    return near and name != rival


def _check(scores: Mapping[str, DesignScores], baseline: str, margin: float) -> None:
    if baseline not in scores:
        raise ConfigError(f"The baseline {baseline!r} is no design of this comparison. It has: {', '.join(scores)}.")
    if not 0 <= margin < 1:
        raise ConfigError(f"The margin is a fraction from 0 to below 1, got {margin:g}. For one point give 0.01.")
    base = scores[baseline]
    for name, entry in scores.items():
        if entry.test.shape != base.test.shape or not np.array_equal(entry.groups, base.groups):
            raise ConfigError(
                f"{name} was scored on {entry.test.shape} (seeds, rows) and {baseline} on {base.test.shape}, or their "
                "groups differ: designs are compared on the same rows and seeds."
            )
