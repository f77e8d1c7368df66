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
DEAD_UNITS = 0.9
"""Share of a layer's ReLUs that are 0 for every row of a batch."""
RISEN = 1.25
"""Validation loss is so many times its lowest, while the training loss fell further, and …"""
RISEN_BY = 0.1
"""… the rise is above this share of the first step's loss."""
TIME_TO_LEARN = (5, 100)
"""Epochs, or steps, before which a score at chance is no finding."""
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
    constant, dead = [*_constant(history)], [*_dead_units(late)]
    if any(f.word == "constant labels" for f in constant):  # what follows from it is no trouble of its own
        return [*wild, *constant]
    findings = [
        *wild,
        *constant,
        *_one_key(late),
        *dead,
        *_collapsed(history, late, [*wild, *speed]),
        *_ignored(late, norms),
        *_dead(late),
        *_vanishing(norms),
        *speed,
        *_saturated(late),
        *_dead_heads(late),
        *_overfitting(history, late),
    ]
    if dead:  # what follows from it; a higher learning_rate would kill more
        findings = [f for f in findings if f.word not in ("not learning", "too slow", "dead")]
    if not {f.word for f in findings} & {"collapsed", "not learning"}:
        findings += _at_chance(history, late, alone=not findings)
    constant_blocks = {f.where for f in constant}
    findings = [f for f in findings if f in constant or f.where.split(".")[0] not in constant_blocks]
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


def _constant(history: History) -> Iterator[HealthFinding]:
    """Find a column that is the same in every train row; no setting makes it tell anything."""
    columns: Sequence[str] = next((row["constant"] for row in history if row.get("constant") is not None), [])
    if "label" in columns:
        fix = "check the label column and how the train rows were chosen: no setting can help"
        yield HealthFinding("constant labels", "network", "every train row has the same label: nothing to learn", fix)
    for name, other in (("image", "text"), ("text", "image")):
        if name in columns:
            fix = f"check the {name} column and its files; without it {other}_only is the same network and cheaper"
            evidence = f"every train row has the same {name} tokens, or none: they cannot tell rows apart"
            yield HealthFinding(f"constant {name}", f"{name}_adapter", evidence, fix)


def _dead_units(late: History) -> Iterator[HealthFinding]:
    for name, share in _median_by(late, "relus", "name", "dead").items():
        if share > DEAD_UNITS:
            fix = (
                "train anew with a lower learning_rate, a longer warmup, clip=1 or norm=standard, or take a fusion "
                "without ReLUs: a dead unit gets no gradient and does not come back"
            )
            yield HealthFinding("dead units", name, f"{100 * share:.0f} % of its ReLUs are 0 for every row", fix)


def _overfitting(history: History, late: History) -> Iterator[HealthFinding]:
    losses = [row["validation_loss"] for row in history if row.get("validation_loss") is not None]
    first = next((row["first_loss"] for row in history if row.get("first_loss") is not None), None)
    if first is None or len(losses) < len(history):
        return
    lowest = losses.index(min(losses))
    end, train = _median_of(late, "validation_loss") or 0.0, [row["train_loss"] for row in history]
    risen = end > RISEN * losses[lowest] and end - losses[lowest] > RISEN_BY * first
    if risen and train[-1] < train[lowest]:
        evidence = (
            f"the validation loss was {losses[lowest]:.3g} in epoch {lowest + 1} and rose to {end:.3g}, while the "
            f"training loss fell from {train[lowest]:.3g} to {train[-1]:.3g}"
        )
        fix = f"epochs={lowest + 1}, dropout=0.2, feature_dropout=0.2, a higher weight_decay or more train rows"
        yield HealthFinding("overfitting", "network", evidence, fix)


def _at_chance(history: History, late: History, alone: bool) -> Iterator[HealthFinding]:
    """Find a validation score that is not surely above the constant answer's, after some time to learn.

    Beside another finding (not `alone`) its fix comes first, and it may be a lower learning_rate or fewer epochs.
    """
    chance = next((row for row in history if row.get("chance_score") is not None), None)
    score = _median_of(late, "validation_score")
    epochs, steps = TIME_TO_LEARN
    if chance is None or score is None or (len(history) < epochs and history[-1]["step"] < steps):
        return
    if score <= chance["chance_score"] + chance["chance_error"]:
        evidence = (
            f"the validation score is {100 * score:.1f}, the constant answer's {100 * chance['chance_score']:.1f} "
            f"(± {100 * chance['chance_error']:.1f})"
        )
        fix = "check that the columns tell anything of the label"
        if alone:
            fix += "; more epochs, a higher learning_rate, or a fusion that can represent an interaction"
        yield HealthFinding("at chance", "network", evidence, fix)


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
