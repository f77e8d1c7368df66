"""Settle which mask is whose and what its True means: padding must then move the output least."""

import math
from dataclasses import replace

import torch

from interfuse.doctor.masks import mask_sources, spare_arguments
from interfuse.doctor.plans import CONVENTIONS, Plan
from interfuse.doctor.subject import MODALITIES, Subject

Scored = tuple[float, Plan]
"""How much padding leaks, and the plan under which it does."""


def subject_of(base: Subject, plan: Plan) -> Subject:
    """Make the subject that a plan means."""
    tokens = frozenset(m for m, layout in zip(MODALITIES, plan.layout, strict=True) if layout == "tokens")
    maps = frozenset(m for m, layout in zip(MODALITIES, plan.layout, strict=True) if layout == "map")
    sizes = base.sizes
    if maps and "image" in base.varying:
        sizes = replace(sizes, image=6)
    if plan.equal:
        sizes = replace(sizes, text=sizes.image)
    modalities = {part for name in plan.conventions for part in owners(plan.masks[name])}
    return base.variant(
        call=plan.call,
        masks=frozenset(modalities) & tokens,
        tokens=tokens,
        sizes=sizes,
        maps=maps,
        varying=base.varying & tokens,
        equal=plan.equal,
    )


def owners(source: str) -> set[str]:
    """Return which modalities a mask is of; a container of masks is of both."""
    modalities = set(source.split("+")) & set(MODALITIES)
    return modalities or set(MODALITIES)


def settle_masks(base: Subject, plan: Plan) -> Plan:
    """Find the masks, their owners and their conventions under which padding moves the output least."""
    best: Scored = (math.inf, plan)
    if plan.masks:
        best = _all_alike(base, plan, best)
        if best[0] == math.inf:
            best = _some_alike(base, plan, best)
        if best[0] == math.inf or not best[1].conventions:
            best = _better(base, plan, (math.inf, plan))
        for name in list(best[1].conventions) if best[0] > 0 and len(plan.masks) > 1 else ():
            for how in likely([name]):
                best = _better(base, replace(best[1], conventions={**best[1].conventions, name: how}), best)
    return _with_spare(base, best[1], best[0] if best[0] < math.inf else _leak(subject_of(base, plan)))


def _all_alike(base: Subject, plan: Plan, best: Scored) -> Scored:
    """Return every mask in the same convention."""
    for masks in mask_sources(base.module, plan.arguments):
        if set(masks) == set(plan.masks):
            for how in likely(list(masks)):
                best = _better(base, replace(plan, masks=masks, conventions=dict.fromkeys(masks, how)), best)
    return best


def _some_alike(base: Subject, plan: Plan, best: Scored) -> Scored:
    """Leave out one optional mask, then all but one: what fails is perhaps no mask."""
    names = [name for name in plan.masks if name not in plan.conventions]
    for left in (*([n for n in names if n != out] for out in names), *([name] for name in names)):
        subset = [*plan.conventions, *left]
        for how in likely(subset) if best[0] > 0 and subset else ():
            best = _better(base, replace(plan, conventions=dict.fromkeys(subset, how)), best)
    return best


def _with_spare(base: Subject, plan: Plan, score: float | None) -> Plan:
    """Take optional arguments of unknown use for masks where that makes less of the padding leak."""
    best = (math.inf if score is None else score, plan)
    for masks in spare_arguments(base.module, plan.arguments, plan.masks) if best[0] > 0 else ():
        for how in likely(list(masks)):
            conventions = {**plan.conventions, **dict.fromkeys(masks, how)}
            best = _better(base, replace(plan, masks={**plan.masks, **masks}, conventions=conventions), best)
    return best[1]


def likely(names: list[str]) -> list[str]:
    """Order the conventions: a name with "pad" or "ignore" more likely says what to ignore."""
    order = list(CONVENTIONS)
    if any("len" in name for name in names):
        order.insert(0, order.pop(order.index("lengths (batch)")))
    if any("pad" in name or "ignore" in name for name in names):
        order.insert(0, order.pop(order.index("True = ignore")))
    return order


def _better(base: Subject, plan: Plan, best: Scored) -> Scored:
    if best[0] == 0:
        return best
    score = _leak(subject_of(base, plan))
    return best if score is None or score >= best[0] else (score, plan)


def _leak(subject: Subject) -> float | None:
    """Measure how much more padding moves the output than real tokens do; None where it fails."""
    total = 0.0
    try:
        inputs, other = subject.inputs(), subject.inputs(seed=11)
        plain = subject.look(inputs)
        for modality in MODALITIES:
            if modality not in subject.tokens:
                continue
            values, mask, fresh = inputs.values(modality), inputs.mask(modality).unsqueeze(-1), other.values(modality)
            padding = subject.look(inputs.having(modality, torch.where(mask, values, fresh)))
            real = subject.look(inputs.having(modality, torch.where(mask, fresh, values)))
            shift = max(subject.compare(plain, padding, inputs))
            total += min(shift / (1e-9 + min(max(subject.compare(plain, real, inputs)), 1e6)), 1e6)
        nothing = {name: torch.zeros_like(leaf) for name, leaf in plain.items()}
        rest = torch.arange(len(inputs.image), device=subject.device)[:, None, None] > 0
        first = {m: torch.where(rest, inputs.values(m), other.values(m)) for m in MODALITIES}
        mixed = subject.compare(plain, subject.look(inputs._replace(**first)), inputs)
        total += 1e3 * (max(mixed[1:]) > subject.tolerance)  # a mask of too many axes lets samples mix
        total += 1e6 * (max(subject.compare(plain, nothing, inputs)) == float("inf"))
    except Exception:
        return None
    return total if total > 1e-6 else 0.0


def heeds(subject: Subject, modality: str) -> bool:
    """Return whether a mask of one modality has any effect on what real tokens give."""
    if modality not in subject.tokens:
        return False
    inputs = subject.inputs()
    full = inputs.having(modality, mask=torch.ones_like(inputs.mask(modality)))
    try:
        gap = max(subject.compare(subject.look(inputs), subject.look(full), inputs, inputs))
    except Exception:
        return True
    return gap > 0


def ignored_masks(subject: Subject, plan: Plan) -> dict[str, str]:
    """List the mask arguments without effect, each with its modality."""
    ignored: dict[str, str] = {}
    for name in plan.conventions:
        mine = owners(plan.masks[name]) & subject.tokens & subject.modalities
        if mine and not any(heeds(subject, modality) for modality in mine):
            ignored[name] = " and ".join(sorted(mine))
    return ignored
