"""Designs against a baseline: differences, intervals, Holm, and a verdict in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from interfuse.core.errors import ConfigError
from interfuse.evaluation.intervals import Interval, mean_interval

ALPHA = 0.05


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


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for their number, step down.

    The i-th smallest of m becomes the largest so far of `(m − i + 1) p_(i)`, at most 1.

    Reference:
        Holm 1979, https://www.jstor.org/stable/4615733.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def compare_designs(scores: Mapping[str, DesignScores], baseline: str, margin: float = 0.01) -> Comparison:
    """Compare every design with the baseline, and the best fusion with the best control.

    Holm's family is every contrast against the baseline, floors included. `wins`: adjusted p below 0.05 and a mean
    difference above `margin`; `loses` likewise. The study's verdict is one contrast, chosen on validation alone.

    Raises:
        ConfigError: the baseline is no design, or the designs were not scored on the same rows and seeds.
    """
    if baseline not in scores:
        raise ConfigError(f"The baseline {baseline!r} is no design of this comparison: {', '.join(scores)}.")
    base = scores[baseline]
    for name, entry in scores.items():
        if entry.test.shape != base.test.shape or not np.array_equal(entry.groups, base.groups):
            raise ConfigError(
                f"{name} was scored on {entry.test.shape} (seeds, rows) and {baseline} on {base.test.shape}: "
                "designs are compared on the same rows and seeds."
            )
    others = [name for name in scores if name != baseline]
    deltas = {name: mean_interval(scores[name].test - base.test, base.groups) for name in others}
    adjusted = dict(zip(others, holm([deltas[name].p for name in others]), strict=True))
    results = [
        DesignResult(
            name,
            _within(mean_interval(entry.test, entry.groups)),
            deltas.get(name),
            adjusted.get(name),
            _verdict(entry, deltas.get(name), adjusted.get(name), margin),
        )
        for name, entry in scores.items()
    ]
    verdict, details = _study_verdict(scores, baseline, margin)
    return Comparison(results, verdict, details)


def _within(interval: Interval) -> Interval:
    """Cut the interval of a mean score to 0..1."""
    return replace(interval, low=max(0.0, interval.low), high=min(1.0, interval.high))


def _verdict(entry: DesignScores, delta: Interval | None, p: float | None, margin: float) -> str:
    if delta is None or p is None:
        return "baseline"
    if entry.floor:
        return "floor"
    if p < ALPHA and abs(delta.mean) > margin:
        return "wins" if delta.mean > 0 else "loses"
    return "no evidence"


def _study_verdict(scores: Mapping[str, DesignScores], baseline: str, margin: float) -> tuple[str, list[str]]:
    controls = [name for name, entry in scores.items() if entry.unimodal]
    fusions = [name for name, entry in scores.items() if not entry.unimodal and name != "majority"]
    details = []
    seeds = scores[baseline].test.shape[0]
    if seeds == 1:
        details.append("One seed: every interval speaks of this one trained model, not of the design. Use --seeds 5.")
    if not controls or not fusions:
        return "No verdict: it needs a fusion and a unimodal control.", details
    fusion, control = (max(names, key=lambda n: float(scores[n].validation.mean())) for names in (fusions, controls))
    verdict = say_contrast(scores[fusion], scores[control], fusion, control.replace("_", " "), margin)
    details.append(f"Both were chosen on validation; {fusion} is the best fusion there and {control} the best control.")
    if fusion != baseline:
        details.append(say_contrast(scores[fusion], scores[baseline], fusion, baseline, margin))
    return verdict, details


def say_contrast(first: DesignScores, second: DesignScores, name: str, rival: str, margin: float) -> str:
    """Put one contrast into words, in points with its 95 % interval."""
    delta = mean_interval(first.test - second.test, first.groups)
    seeds = f"{delta.seeds} seed{'s' if delta.seeds > 1 else ''}"
    points = f"Δ {100 * delta.mean:.1f}, 95 % CI {100 * delta.low:.1f} to {100 * delta.high:.1f}, {seeds}"
    points = points.replace("-", "−")
    if delta.p >= ALPHA:
        return f"No evidence that fusion beats {rival} ({name}: {points})."
    if abs(delta.mean) <= margin:
        return f"No evidence that fusion beats {rival} by more than the margin of {100 * margin:g} ({name}: {points})."
    return f"Fusion {'beats' if delta.mean > 0 else 'loses to'} {rival} ({name}: {points})."
