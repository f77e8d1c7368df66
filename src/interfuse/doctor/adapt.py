"""Find out by trying how a foreign module wants to be called."""

import inspect
import itertools
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from interfuse.core.errors import InterfuseError
from interfuse.doctor.masks import mask_sources
from interfuse.doctor.plans import CONVENTIONS, LAYOUTS, Plan, assignments, says_tokens, says_tokens_first
from interfuse.doctor.promises import OneKeySoftmax, lets_each_sample_stand_alone
from interfuse.doctor.settling import heeds, settle_masks, subject_of
from interfuse.doctor.source import arguments
from interfuse.doctor.subject import MODALITIES, Call, Sizes, Subject, dtype_of, duplicate, opened
from interfuse.doctor.words import raised


class CannotCallError(InterfuseError, TypeError):
    """No way of calling the module worked."""

    def __init__(self, attempts: list[str]) -> None:
        """Keep the attempts, each with its error."""
        super().__init__("; ".join(attempts))
        self.attempts = attempts


def adapt(module: nn.Module, image_dim: int, text_dim: int, facts: dict[str, Any]) -> tuple[Subject, Plan | None]:
    """Make a subject of a module in eval mode; the plan says how it is called.

    Args:
        module: a copy that may be called.
        image_dim: width of an image token.
        text_dim: width of a text token.
        facts: call, layout, image_tokens, text_tokens, modalities, remake, where given.

    Raises:
        CannotCallError: nothing worked.
    """
    tokens = {name: facts.get(f"{name}_tokens") for name in MODALITIES}
    usual = Sizes()
    sizes = Sizes(usual.batch, tokens["image"] or usual.image, tokens["text"] or usual.text)
    base = Subject(
        module,
        _nothing,
        image_dim,
        text_dim,
        modalities=frozenset(facts.get("modalities") or _declared(module)),
        zero_gates=tuple(getattr(module, "zero_gates", ())),
        sizes=sizes,
        varying=frozenset(name for name in MODALITIES if tokens[name] is None),
        remake=facts.get("remake"),
        seeded=True,
        dtype=dtype_of(module),
        exact=dtype_of(module),
    )
    if facts.get("call") is not None:
        subject = _subject_of_call(base, facts["call"])
        return _exact(subject.variant(module=opened(module), initial=module)), None
    plan = _search(base, facts.get("layout"))
    base = base.variant(module=opened(module), initial=module)
    plan = settle_masks(base, plan)
    return _exact(subject_of(base, plan)), plan


def _declared(module: nn.Module) -> Collection[str]:
    """Read which modalities a module declares that it depends on."""
    modalities = getattr(module, "modalities", None)
    sound = isinstance(modalities, set | frozenset) and modalities and modalities <= set(MODALITIES)
    return modalities if sound else MODALITIES  # type: ignore[return-value]


def _nothing(*_: Any) -> None:
    raise AssertionError("a subject without a call")


def _subject_of_call(base: Subject, call: Call) -> Subject:
    """Take the user's call; find whether it wants equal lengths, and whether it looks at the masks."""
    attempts: list[str] = []
    count = base.sizes.image
    for equal, sizes in ((False, base.sizes), (True, Sizes(base.sizes.batch, count, count)), (True, Sizes(3, 1, 1))):
        varying = base.varying if sizes.image > 1 else frozenset[str]()
        subject = base.variant(call=call, equal=equal, sizes=sizes, varying=varying)
        error = _works(subject)
        if error is None:
            masks = frozenset(m for m in MODALITIES if heeds(subject, m))
            return subject.variant(masks=masks)
        attempts.append(f"call(module, image ({sizes.image} tokens), text ({sizes.text} tokens), masks): {error}")
    raise CannotCallError(attempts)


def _works(subject: Subject) -> str | None:
    """Run at two sizes; return what went wrong."""
    try:
        labels = subject.labels()
    except Exception as error:
        return raised(error)
    return None if labels else "no float output has an axis of the batch's size"


def _search(base: Subject, layout: str | None) -> Plan:
    """Try the likely calls in turn; tokens of unequal lengths first, pooled vectors last."""
    attempts: list[str] = []
    ways: list[dict[str, str]] = []
    for way in assignments(base.module):
        if way not in ways and ("merged" not in way.values() or base.image_dim == base.text_dim):
            ways.append(way)
    if not ways:
        attempts.append(f"forward({', '.join(arguments(base.module))}) has no two arguments for image and text")
    first = layout == "tokens-first" or (layout is None and says_tokens_first(base.module))
    for way in ways:
        plans = [Plan(way, masks) for masks in mask_sources(base.module, way)]
        if len(plans) > 1 and not first:  # whose a mask is shows best where lengths differ
            plans.sort(key=lambda plan: _with_required_masks(base, plan, []) is None)
        for plan in plans:
            candidate = _first_layout(base, plan, layout, first, attempts)
            if candidate is not None:
                return candidate
    raise CannotCallError(attempts)


def _first_layout(base: Subject, plan: Plan, layout: str | None, first: bool, attempts: list[str]) -> Plan | None:
    """Find the layout in which one assignment works."""

    def attempt(**changes: Any) -> Plan | None:
        return _with_required_masks(base, replace(plan, **changes), attempts)

    if "merged" in plan.arguments.values() or any("[1]" in name for name in plan.masks):
        return attempt()
    if first:
        candidate = attempt(tokens_first=True)
        if candidate is not None and (layout or not lets_each_sample_stand_alone(subject_of(base, candidate))):
            return candidate
    if layout == "pooled":
        return attempt(layout=("pooled", "pooled"))
    both = attempt()
    if both is not None or layout == "tokens":
        return both or attempt(equal=True)
    mixed = [candidate for pair in LAYOUTS[1:3] if (candidate := attempt(layout=pair)) is not None]
    for candidate in mixed:  # the wrong one may run too: an unbatched recurrence, a lucky broadcast
        if not lets_each_sample_stand_alone(subject_of(base, candidate)):
            return candidate
    equal, pooled = attempt(equal=True), attempt(layout=("pooled", "pooled"))
    if equal is not None and (pooled is None or plan.masks or says_tokens(base.module) or _attends(base, equal)):
        return equal
    if pooled is not None:
        return pooled
    return next(iter(mixed), None) or attempt(layout=LAYOUTS[4]) or attempt(layout=LAYOUTS[5])


def _with_required_masks(base: Subject, plan: Plan, attempts: list[str]) -> Plan | None:
    """Run a plan; masks that must be given are tried in each convention, alike first, then each in its own."""
    parameters = arguments(base.module)
    needed = [n for n in plan.masks if n not in parameters or parameters[n].default is inspect.Parameter.empty]
    for how in CONVENTIONS if needed else ("",):
        candidate = replace(plan, conventions=dict.fromkeys(needed, how))
        error = _works(subject_of(base, candidate))
        if error is None:
            return candidate
    plain = plan.layout == LAYOUTS[0] and not plan.equal and not plan.tokens_first
    if len(needed) == 2 and plain:
        for hows in itertools.permutations(CONVENTIONS, 2):
            mixed = replace(plan, conventions=dict(zip(needed, hows, strict=True)))
            if _works(subject_of(base, mixed)) is None:
                return mixed
    attempts.append(f"{candidate}: {error}")
    return None


def _attends(base: Subject, plan: Plan) -> bool:
    """Return whether a softmax runs over an axis of as many keys as there are tokens."""
    subject = subject_of(base, plan)
    softmaxes = _Softmaxes()
    with softmaxes:
        subject.look(subject.inputs())
    return subject.sizes.image in softmaxes.sizes


class _Softmaxes(OneKeySoftmax):
    """Note the number of keys of every softmax."""

    def __init__(self) -> None:
        """Start with none."""
        super().__init__()
        self.sizes: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at a call and let it pass."""
        name = str(func)
        if name.startswith("aten._softmax.") and args[0].dim():
            self.sizes.add(args[0].shape[args[1]])
        elif "scaled_dot_product" in name:
            self.sizes.add(args[1].shape[-2])
        return func(*args, **(kwargs or {}))


def _exact(subject: Subject) -> Subject:
    """Compare in float64 where the module can."""
    assert subject.initial is not None
    if subject.dtype == torch.float64:
        return subject
    twins = [duplicate(module).to(torch.float64) for module in (subject.module, subject.initial)]
    better = subject.variant(module=twins[0], initial=twins[1], exact=torch.float64)
    try:
        better.look(better.inputs())
    except Exception:  # its forward makes float32 tensors, say: "dtype" tells of it
        return subject
    return better
