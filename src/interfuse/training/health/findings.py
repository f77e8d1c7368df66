"""Verdicts on training health in words, each with its evidence and the setting that fixes it."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from interfuse.core.modalities import MODALITIES
from interfuse.core.records import late_rows

VANISHING = 1e-3
"""The first block's gradient norm is below this share of the last's."""
EXPLODING = 1e3
"""The first block's gradient norm is above so many times the last's, or a norm grew so many times."""
IGNORED = 0.01
"""Another row's picture or text moves the prediction by less than this (total variation), while …"""
USED = 0.05
"""… the other modality's moves it by more than this."""
FALLEN = 10
"""Inputs that once moved the prediction so many times as much, and by more than `IGNORED`, move it no more."""
UNSTABLE = 2
"""An epoch's training loss is above so many times the first one, or so many times what it had fallen to."""
TOO_FAST = 0.3
"""A step moves a block's parameters by more than this share of their norm."""
TOO_SLOW = 1e-6
ROUNDING = 1e-6
"""A gradient below this share of the one beside it is zero but for a kernel's rounding (float32, 1e-7 a step)."""
SATURATED = 0.9
"""Share of a gate's values that stand at 0 or 1."""
HEALTHY = "healthy"


@dataclass(frozen=True)
class HealthFinding:
    """One thing that is wrong with a training."""

    word: str
    """vanishing, exploding, dead query/key, …"""
    where: str
    """Block or layer."""
    evidence: str
    """What was measured."""
    fix: str
    """Flags of the command line, or settings of the design, that fix it."""


History = Sequence[Mapping[str, Any]]
"""Rows of `core.records.HISTORY`, one an epoch."""


def judge(history: History) -> list[HealthFinding]:
    """Return what is wrong with a training by its history so far, the gravest finding first; none means healthy.

    Every measure is the median over `core.records.late_rows`, so that the first steps count for nothing where there are
    others: a gate that starts at zero, with exactly zero gradient behind it, is no finding.
    """
    late = late_rows(history)
    norms = _median_by(late, "parts", "part", "gradient_norm")
    wild = [*_exploding(history, norms), *_unstable(history)]
    speed = [*_speed(history)]
    findings = [
        *wild,
        *_one_key(late),
        *_collapsed(history, late, [*wild, *speed]),
        *_ignored(late, norms),
        *_dead(late),
        *_vanishing(norms),
        *speed,
        *_saturated(late),
        *_dead_heads(late),
    ]
    ignored = {f.where for f in findings if f.word.endswith("ignored")}
    return [f for f in findings if f.word.endswith("ignored") or f.where.split(".")[0] not in ignored]


def word_of(findings: Sequence[HealthFinding]) -> str:
    """Return the one word for the progress line."""
    return findings[0].word if findings else HEALTHY


def describe(history: History) -> dict[str, Any]:
    """Return the verdict's columns of `core.records.HISTORY` for the last row."""
    findings = judge(history)
    return {"health": word_of(findings), "findings": [asdict(finding) for finding in findings]}


def _exploding(history: History, norms: Mapping[str, float]) -> Iterator[HealthFinding]:
    lower = "clip=1, a lower learning_rate, norm=standard or a longer warmup"
    total = [sum(value * value for value in row.get("gradient_norm") or []) ** 0.5 for row in history]
    if any(not math.isfinite(value) for value in [*norms.values(), *total]):
        yield HealthFinding("exploding", "network", "a gradient is infinite or not a number", lower)
    elif total[-1] > EXPLODING * total[0] > 0:
        evidence = f"the gradient grew {total[-1] / total[0]:.0f} times since the first epoch"
        yield HealthFinding("exploding", "network", evidence, lower)
    for first, end, where in _ends(norms):
        if norms[end] > 0 and math.isfinite(norms[first]) and norms[first] > EXPLODING * norms[end]:
            evidence = f"gradient norm {norms[first]:.1e} at {first}, {norms[end]:.1e} at {end}"
            yield HealthFinding("exploding", where, evidence, lower)


def _unstable(history: History) -> Iterator[HealthFinding]:
    losses = [row["train_loss"] for row in history]
    first = next((row["first_loss"] for row in history if row.get("first_loss") is not None), None)
    if first is None:
        return
    lower, evidence = "a lower learning_rate, a longer warmup, clip=1 or norm=standard", ""
    if max(losses) > UNSTABLE * first:
        evidence = f"an epoch's training loss was {max(losses):.3g}, before any learning it was {first:.3g}"
    elif losses[-1] > UNSTABLE * min(losses) and losses[-1] > 0.1 * first:
        evidence = f"the training loss had fallen to {min(losses):.3g} and rose to {losses[-1]:.3g}"
    if evidence:
        yield HealthFinding("unstable", "network", evidence, lower)


def _vanishing(norms: Mapping[str, float]) -> Iterator[HealthFinding]:
    for first, last, where in _ends(norms):
        if norms[first] < VANISHING * norms[last]:
            evidence = f"gradient norm {norms[first]:.1e} at {first}, {norms[last]:.1e} at {last}"
            fix = "norm=standard, residual=True, fewer layers, or a fusion whose layers have residuals and norms"
            yield HealthFinding("vanishing", where, evidence, fix)


def _ends(norms: Mapping[str, float]) -> Iterator[tuple[str, str, str]]:
    """Return the first and last layer of every stack, and each first block of the network with its last."""
    blocks = [name for name in norms if "." not in name and name != "unimodal_heads"]
    if len(blocks) > 1:
        firsts = [name for name in blocks if name.endswith("_adapter")] or blocks[:1]
        yield from ((first, blocks[-1], first) for first in firsts if first != blocks[-1])
    stacks: dict[str, list[str]] = {}
    for name in norms:
        if "." in name:
            stacks.setdefault(name.rpartition(".")[0], []).append(name)
    yield from ((layers[0], layers[-1], stack) for stack, layers in stacks.items())


def _one_key(late: History) -> Iterator[HealthFinding]:
    shares = _median_by(late, "attention", "name", "query_key")
    keys = _median_by(late, "attention", "name", "keys")
    for name, count in keys.items():
        if count <= 1:
            evidence = "each row has one key: its softmax is 1 whatever the query and key are, so neither is trained"
            fix = "pool=none, so that attention sees tokens; or concat or product on pooled vectors"
            yield HealthFinding("dead query/key", name, evidence, fix)
        elif shares.get(name, 1.0) < ROUNDING:
            evidence = "the gradient of query and key is zero but for rounding, the value's is not"
            yield HealthFinding("dead query/key", name, evidence, "norm=standard or a lower learning_rate")


def _collapsed(history: History, late: History, before: Sequence[HealthFinding]) -> Iterator[HealthFinding]:
    """Find a prediction that no input moves any more, or has hardly moved yet: the fixes are opposite.

    It has collapsed where an input had moved it, or where steps were too large (`before`: what else was found).
    """
    use = {name: _median_of(late, f"{name}_use") for name in MODALITIES}
    known = [value for value in use.values() if value is not None]
    if not known or max(known) >= IGNORED:
        return
    evidence = f"another row's inputs move the prediction by {max(known):.4f} at most"
    most = max(row.get(f"{name}_use") or 0.0 for row in history for name in use)
    fallen = most > USED or most > max(IGNORED, FALLEN * max(known))
    if fallen:
        evidence += f", down from {most:.2f}"
    if fallen or {finding.word for finding in before} - {"too slow"}:
        yield HealthFinding("collapsed", "network", evidence, "a lower learning_rate, norm=standard or a longer warmup")
    else:
        fix = "a higher learning_rate, more epochs or norm=standard; check that the columns tell anything"
        yield HealthFinding("not learning", "network", f"{evidence}, at no time by more than {most:.2f}", fix)


def _ignored(late: History, norms: Mapping[str, float]) -> Iterator[HealthFinding]:
    fix = "modality_dropout=0.2, unimodal_heads=0.5 or balance=ogm_ge; check that the column tells anything"
    use = {name: _median_of(late, f"{name}_use") for name in MODALITIES}
    for name, other in (("image", "text"), ("text", "image")):
        mine, its = use[name], use[other]
        if mine is not None and its is not None and mine < IGNORED and its > USED:
            evidence = f"another row's {name} moves the prediction by {mine:.4f}, another row's {other} by {its:.2f}"
            yield HealthFinding(f"{name} ignored", f"{name}_adapter", evidence, fix)
        elif norms.get(f"{name}_adapter", math.inf) < ROUNDING * norms.get(f"{other}_adapter", 0.0):
            yield HealthFinding(f"{name} ignored", f"{name}_adapter", f"no gradient reaches the {name} adapter", fix)


def _dead(late: History) -> Iterator[HealthFinding]:
    shares = _median_by(late, "parts", "part", "zeros")
    blocks = [share for part, share in shares.items() if "." not in part]
    for part, share in shares.items():
        if share == 1.0 and min(blocks) < 1.0:  # where all are zero the loss is: there is nothing left to learn
            evidence = "every gradient is exactly zero"
            yield HealthFinding("dead", part, evidence, "a lower learning_rate, norm=standard, or leave the block out")


def _speed(history: History) -> Iterator[HealthFinding]:
    ratios: dict[str, list[float]] = {}
    for row in history:
        for part in row.get("parts") or []:
            if "." not in part["part"] and part.get("update_ratio") is not None:
                ratios.setdefault(part["part"], []).append(part["update_ratio"])
    for part, values in ratios.items():
        if max(values) > TOO_FAST:
            evidence = f"a step moved it by {max(values):.2f} of its norm; about 0.001 is healthy"
            yield HealthFinding("too fast", part, evidence, "a lower learning_rate or a longer warmup")
        elif max(values) < TOO_SLOW:
            evidence = f"no step moves it by more than {max(values):.0e} of its norm; about 0.001 is healthy"
            yield HealthFinding("too slow", part, evidence, "a higher learning_rate")


def _saturated(late: History) -> Iterator[HealthFinding]:
    for name, share in _median_by(late, "gates", "name", "saturation").items():
        if share > SATURATED:
            evidence = f"{100 * share:.0f} % of the gate's values are below 0.01 or above 0.99"
            yield HealthFinding("saturated gate", name, evidence, "a lower learning_rate, norm=standard or gate=none")


def _dead_heads(late: History) -> Iterator[HealthFinding]:
    heads = _median_by(late, "attention", "name", "heads")
    for name, count in _median_by(late, "attention", "name", "dead_heads").items():
        if count >= 1:
            evidence = f"{count:.0f} of {heads[name]:.0f} heads get next to no gradient"
            yield HealthFinding("dead heads", name, evidence, "fewer heads (num_heads) or a lower learning_rate")


def _median_by(rows: History, column: str, label: str, value: str) -> dict[str, float]:
    """Return the median over the rows of one value of each named thing; what no row knows is left out."""
    values_by_name: dict[str, list[float]] = {}
    for row in rows:
        for one in row.get(column) or []:
            if one.get(value) is not None:
                values_by_name.setdefault(one[label], []).append(one[value])
    return {name: _median(values) for name, values in values_by_name.items()}


def _median_of(rows: History, column: str) -> float | None:
    values = [row[column] for row in rows if row.get(column) is not None]
    return _median(values) if values else None


def _median(values: Sequence[int | float]) -> float:
    return math.nan if any(math.isnan(value) for value in values) else float(statistics.median(values))
