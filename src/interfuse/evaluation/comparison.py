"""Designs against a baseline: differences, intervals, Holm, and the contrast the study was made for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from interfuse.core.errors import ConfigError
from interfuse.evaluation.bootstrap import Drawn
from interfuse.evaluation.contrasts import Difference, Rules
from interfuse.evaluation.design_scores import DesignScores
from interfuse.evaluation.intervals import Interval
from interfuse.evaluation.resplit import Resplit
from interfuse.evaluation.seed_spread import common_spread
from interfuse.evaluation.verdicts import (
    NO_VALIDATION,
    NO_VERDICT,
    ONE_SEED,
    say_against_baseline,
    say_choice,
    say_confirmed,
    say_majority,
    say_no_model,
    say_study,
)

MAJORITY = "majority"
"""Name of the floor that always gives the most frequent label, or the mean number; neither fusion nor control."""


@dataclass(frozen=True)
class DesignResult:
    """What the comparison says of one design."""

    design: str
    mean: Interval
    delta: Difference | None
    """Mean minus the baseline's; None for the baseline itself."""
    p_holm: float | None
    verdict: str
    """surely wins, wins, small, equal, no evidence, loses, surely loses; floor or baseline."""
    outside: bool = False
    """Whether its contrast stands outside Holm's family, and `p_holm` is not adjusted."""


@dataclass(frozen=True)
class Choice:
    """The fusion and the control that the study's verdict is about, chosen for each seed by other seeds."""

    fusions: Sequence[str]
    """Seed by seed."""
    controls: Sequence[str]
    next_pair: tuple[str, str]
    """The fusion and the control that a further seed would have: best on the validation of all seeds."""

    @property
    def fusion(self) -> str:
        """The fusion that was chosen for most seeds."""
        return Counter(self.fusions).most_common(1)[0][0]

    @property
    def control(self) -> str:
        """The control that was chosen for most seeds."""
        return Counter(self.controls).most_common(1)[0][0]


@dataclass(frozen=True)
class Confirmation:
    """Fresh trainings of the two designs that validation chose, by seeds that chose nothing."""

    fusion: DesignScores
    control: DesignScores
    majority: DesignScores | None = None


@dataclass(frozen=True)
class Comparison:
    """The verdict on every design, and the study's own."""

    results: Sequence[DesignResult]
    verdict: str
    """The chosen fusion against the chosen unimodal control, or why there is no verdict."""
    details: Sequence[str]
    rules: Rules
    choice: Choice | None = None
    """The designs that the verdict speaks of; None where there is no verdict."""
    contrast: Difference | None = None
    """Fusion minus control on test."""

    @property
    def family(self) -> int:
        """How many contrasts Holm's family has."""
        return sum(result.delta is not None and not result.outside for result in self.results)


def compare_designs(
    scores: Mapping[str, DesignScores],
    baseline: str,
    rules: Rules | None = None,
    confirmation: Confirmation | None = None,
) -> Comparison:
    """Compare every design with the baseline, and the best fusion with the best control.

    Holm's family is every contrast against the baseline, floors included but those that no seed changes. The study's
    verdict stands outside that family: it is one contrast. Its two designs are chosen for each seed by the validation
    of other seeds: a lucky training is lucky on validation and on test, so a choice by the very trainings that are
    scored counts luck as skill.

    Args:
        scores: each design's scores by its name.
        baseline: name of the design that all are compared with.
        rules: what the contrasts are judged by; its spread is estimated here, from all the designs.
        confirmation: fresh trainings of the two designs that validation chose over all seeds; the verdict is then
            about these alone.

    Raises:
        ConfigError: the baseline is no design, the margin is no fraction, or the designs were not scored on the same
            rows and seeds.
    """
    rules = rules or Rules()
    _check(scores, baseline, rules.margin)
    entries = scores.values()
    spread = common_spread([entry.components for entry in entries], [rules.variation(entry) for entry in entries])
    rules = replace(rules, spread=spread)
    others = [name for name in scores if name != baseline]
    deltas = {name: rules.contrast(scores[name], scores[baseline]) for name in others}
    inside = [name for name in others if not scores[name].outside]
    family = rules.judge_family([deltas[name] for name in inside])
    words = dict(zip(inside, family.words, strict=True))
    p_holm = {name: delta.p for name, delta in deltas.items()} | dict(zip(inside, family.p_holm, strict=True))
    results = []
    for name, entry in scores.items():
        mean = rules.own(entry)
        if name == baseline:
            results.append(DesignResult(name, mean, None, None, "baseline"))
        else:
            word = "floor" if entry.floor else words[name]
            results.append(DesignResult(name, mean, deltas[name], p_holm[name], word, entry.outside))
    return _conclude(scores, results, baseline, rules, confirmation)


def _conclude(
    scores: Mapping[str, DesignScores],
    results: list[DesignResult],
    baseline: str,
    rules: Rules,
    confirmation: Confirmation | None,
) -> Comparison:
    """Choose fusion and control by the validation of other seeds, contrast them on test, and add the details."""
    fusions, controls = list_rivals(scores, baseline)
    if not controls or not fusions:
        return Comparison(results, NO_VERDICT, [], rules)
    if not all(scores[name].validation.size for name in fusions + controls):
        return Comparison(results, NO_VALIDATION, [], rules)
    if min(scores[name].seeds for name in fusions + controls) == 1:
        best = best_on_validation(scores, fusions, rules.lower)
        return Comparison(results, ONE_SEED, _hold_against(scores.get(MAJORITY), best, scores[best], rules), rules)
    choice = choose_by_other_seeds(scores, fusions, controls, rules.lower)
    fusion, control, majority = _join(scores, choice.fusions), _join(scores, choice.controls), scores.get(MAJORITY)
    named = choice.fusion, choice.control
    if confirmation is None:
        tied = [name for names in (fusions, controls) for name in names if _as_good(scores, name, named)]
        details = [say_choice(choice.fusions, choice.controls, tied, alone=len(controls) == 1)]
    else:
        fusion, control, majority = confirmation.fusion, confirmation.control, confirmation.majority
        named = best_on_validation(scores, fusions, rules.lower), best_on_validation(scores, controls, rules.lower)
        choice = Choice([named[0]] * fusion.seeds, [named[1]] * control.seeds, named)
        details = [say_confirmed(*named, fusion.seeds)]
    contrast = rules.contrast(fusion, control)
    result = next(entry for entry in results if entry.design == named[0])
    details.append(say_against_baseline(result.design, baseline, result.delta, result.p_holm, result.verdict, rules))
    details += _hold_against(majority, named[0], fusion, rules)
    beaten = majority is None or _beats(fusion, majority, rules)
    sides = (choice.fusions, choice.controls)
    verdict = say_study(*sides, contrast, rules.judge(contrast), rules) if beaten else say_no_model(*sides, contrast)
    return Comparison(results, verdict, details, rules, choice, contrast)


def _hold_against(majority: DesignScores | None, name: str, fusion: DesignScores, rules: Rules) -> list[str]:
    """Return the sentence on the constant answer, which warns where the fusion is not shown to do better."""
    if majority is None:
        return []
    constant = "mean of the train rows" if rules.task == "regression" else "most frequent label"
    return [say_majority(float(majority.by_seed().mean()), name, _beats(fusion, majority, rules), constant)]


def _beats(first: DesignScores, second: DesignScores, rules: Rules) -> bool:
    """Whether a difference is sure, however small."""
    return replace(rules, margin=0.0).judge(rules.contrast(first, second)).endswith("wins")


def list_rivals(scores: Mapping[str, DesignScores], baseline: str) -> tuple[list[str], list[str]]:
    """Return the fusions and the unimodal controls; of equals one that was asked for comes first."""
    controls = [name for name, entry in scores.items() if entry.unimodal]
    fusions = [name for name, entry in scores.items() if not entry.unimodal and name != MAJORITY]
    fusions.sort(key=lambda name: (scores[name].floor, name == baseline))
    return fusions, controls


def choose_by_other_seeds(
    scores: Mapping[str, DesignScores], fusions: Sequence[str], controls: Sequence[str], lower: bool = False
) -> Choice:
    """Choose a fusion and a control for each seed by the validation of other seeds, see `list_choosers`.

    Where some designs have more seeds, those that all have choose: a seed that only some have chooses nothing.

    Args:
        scores: of at least two seeds.
        fusions: names to choose from.
        controls: names to choose from.
        lower: the scores are errors.
    """
    common = min(scores[name].seeds for name in (*fusions, *controls))
    fusion, control = (best_on_validation(scores, names, lower, range(common)) for names in (fusions, controls))
    names_by_seed: list[list[str]] = [[], []]
    for seed in range(min(scores[fusion].seeds, scores[control].seeds)):
        choosers = list_choosers(seed, common)
        for side, names in enumerate((fusions, controls)):
            names_by_seed[side].append(best_on_validation(scores, names, lower, choosers))
    return Choice(names_by_seed[0], names_by_seed[1], (fusion, control))


def list_choosers(seed: int, count: int) -> list[int]:
    """Return the seeds whose validation chooses for this one: the half of the others that follows it in a circle.

    Of two seeds at most one chooses for the other. Then, where designs are alike, what the two score is uncorrelated:
    one of them takes no part in either choice. That is what an interval's standard error counts on. Where all other
    seeds choose it does not hold, since a design that is lucky throughout is chosen throughout. Two seeds alone do
    choose for each other.

    Args:
        seed: that is chosen for.
        count: of seeds that choose; a further one has them all.

    >>> [list_choosers(seed, 4) for seed in range(4)]
    [[1, 2], [2, 3], [3], [0]]
    """
    if seed >= count:
        return list(range(count))
    if count == 2:
        return [1 - seed]
    ahead = [(seed + step) % count for step in range(1, count // 2 + 1)]
    return [other for step, other in enumerate(ahead, 1) if 2 * step < count or seed < other]


def best_on_validation(
    scores: Mapping[str, DesignScores], names: Sequence[str], lower: bool = False, seeds: Sequence[int] | None = None
) -> str:
    """Return the name with the best mean on validation (the lowest of an error); the first of equals.

    Args:
        scores: by name.
        names: to choose from.
        lower: the scores are errors.
        seeds: whose validation counts; none: all.
    """
    sign, which = -1 if lower else 1, slice(None) if seeds is None else list(seeds)
    return max(names, key=lambda name: sign * float(scores[name].validation[which].mean()))


def _join(scores: Mapping[str, DesignScores], names: Sequence[str]) -> DesignScores:
    """Return the trainings that were chosen, one a seed, as one design's."""
    test = np.stack([scores[name].test[seed] for seed, name in enumerate(names)])
    validation = np.stack([scores[name].validation[seed] for seed, name in enumerate(names)])
    first = replace(scores[names[0]], test=test, validation=validation)
    if isinstance(first.drawn, Drawn | Resplit):
        own = np.array([scores[name].by_seed()[seed] for seed, name in enumerate(names)])
        if isinstance(first.drawn, Resplit):
            return replace(first, drawn=Resplit(own, first.drawn.test_share))
        columns = [(scores[name].drawn, seed) for seed, name in enumerate(names)]
        draws = np.stack([drawn.draws[:, seed] for drawn, seed in columns if isinstance(drawn, Drawn)], 1)
        folds = [
            drawn.by_fold[seed] for drawn, seed in columns if isinstance(drawn, Drawn) and drawn.by_fold is not None
        ]
        by_fold = np.stack(folds) if len(folds) == len(names) else None
        return replace(first, drawn=replace(first.drawn, own=own, draws=draws, by_fold=by_fold))
    return first


def _as_good(scores: Mapping[str, DesignScores], name: str, chosen: tuple[str, str]) -> bool:
    """Whether a design that was not chosen scores the same on validation as the chosen one of its kind."""
    rival = chosen[1] if scores[name].unimodal else chosen[0]
    seeds = min(scores[name].seeds, scores[rival].seeds)
    means = [float(scores[one].validation[:seeds].mean()) for one in (name, rival)]
    return name not in chosen and abs(means[0] - means[1]) <= 1e-12


def _check(scores: Mapping[str, DesignScores], baseline: str, margin: float) -> None:
    if baseline not in scores:
        raise ConfigError(f"The baseline {baseline!r} is no design of this comparison. It has: {', '.join(scores)}.")
    if not 0 <= margin < 1:
        raise ConfigError(f"The margin is a fraction from 0 to below 1, got {margin:g}. For one point give 0.01.")
    base = scores[baseline]
    for name, entry in scores.items():
        if entry.test.shape[1] != base.test.shape[1] or not np.array_equal(entry.groups, base.groups):
            raise ConfigError(
                f"{name} was scored on {entry.test.shape} (seeds, rows) and {baseline} on {base.test.shape}, or their "
                "groups differ: designs are compared on the same rows."
            )
