"""Examine a module: run every promise that applies, and report the findings in order of harm."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

from torch import Tensor, nn

from interfuse.core.errors import ConfigError, unknown
from interfuse.doctor.adapt import CannotCallError, adapt
from interfuse.doctor.findings import Finding, NotExaminedError, Report, by_harm
from interfuse.doctor.masks import contradictions
from interfuse.doctor.outputs import Labels
from interfuse.doctor.plans import LAYOUTS, Plan, says_tokens
from interfuse.doctor.promises import (
    depends_on_both,
    exports_with_dynamic_axes,
    gives_every_parameter_a_gradient,
    hides_poison_under_the_mask,
    hides_values_under_the_mask,
    ignores_wider_padding,
    is_deterministic_in_eval,
    keeps_its_dtype,
    keeps_its_shape,
    lets_each_sample_stand_alone,
    lets_gradients_reach_both_inputs,
    makes_its_layers_at_once,
    registers_every_parameter,
    repeats,
    stays_near_in_autocast,
    survives_a_missing_modality,
    survives_saving_and_loading,
    takes_unequal_lengths,
)
from interfuse.doctor.settling import ignored_masks, subject_of
from interfuse.doctor.source import reads_every_argument
from interfuse.doctor.subject import MODALITIES, Call, Sizes, Subject, duplicate, untouched_randomness
from interfuse.doctor.words import raised, some, where_is


class Options(TypedDict, total=False):
    """What `examine` may be told besides the widths."""

    call: Call
    """`(module, image, text, image_mask, text_mask) -> output`; masks (batch, tokens), True = real."""
    layout: str
    """tokens, pooled or tokens-first: (tokens, batch, dim)."""
    image_tokens: int
    """The one number of image tokens that the module takes, where it takes but one."""
    text_tokens: int
    """The same for text."""
    modalities: Collection[str]
    """Modalities that the output is meant to depend on; both unless said."""
    remake: Callable[[], nn.Module]
    """Makes the module again from its settings, to prove that its state survives."""
    export: bool
    """Whether to try `torch.export`, the slowest promise."""


@dataclass(frozen=True)
class Promise:
    """One promise: its name, its check and when it applies."""

    name: str
    check: Callable[[Subject], list[Finding]]
    lengths: bool = False
    """Whether it compares outputs of different lengths, which random numbers in eval forbid."""
    compares: bool = True
    """Whether it compares outputs at all, which is idle where the same call gives another output each time."""


PROMISES = (
    Promise("each sample stands alone", lets_each_sample_stand_alone),
    Promise("shape", keeps_its_shape, compares=False),
    Promise("dtype", keeps_its_dtype, compares=False),
    Promise("bfloat16 autocast", stays_near_in_autocast),
    Promise("unequal lengths", takes_unequal_lengths, compares=False),
    Promise("values under the mask", hides_values_under_the_mask),
    Promise("NaN under the mask", hides_poison_under_the_mask),
    Promise("wider padding", ignores_wider_padding, lengths=True),
    Promise("missing modality", survives_a_missing_modality),
    Promise("every parameter registered", registers_every_parameter, compares=False),
    Promise("every parameter trains", gives_every_parameter_a_gradient, compares=False),
    Promise("depends on both modalities", depends_on_both),
    Promise("gradient reaches both inputs", lets_gradients_reach_both_inputs, compares=False),
    Promise("state survives saving", survives_saving_and_loading),
    Promise("torch.export", exports_with_dynamic_axes, lengths=True),
)


def examine(module: nn.Module, *, image_dim: int, text_dim: int, **options: Unpack[Options]) -> Report:
    """Examine a fusion module of your own: what never trains, what leaks, what is ignored.

    How the module is called is found by trying: pooled (batch, dim) pairs or tokens (batch, tokens, dim), masks of
    either sense and any name, lists, dicts, query/key/value. The module itself is never changed.

    Args:
        module: the module; its device and dtype are kept.
        image_dim: width of an image token.
        text_dim: width of a text token.
        options: see `Options`; `call` where the module takes its inputs in a way that is not found.

    Raises:
        ConfigError: an option is not known.

    >>> from torch import nn
    >>> report = examine(nn.Bilinear(8, 6, 4), image_dim=8, text_dim=6, export=False)
    >>> report.ok, [finding.kind for finding in report.of("error")]
    (True, [])
    """
    started = time.perf_counter()
    for name in options:
        if name not in Options.__annotations__:
            raise ConfigError(unknown("option of examine:", name, Options.__annotations__))
    module = getattr(module, "_orig_mod", module)  # of torch.compile: what was compiled
    count = sum(p.numel() for p in module.parameters() if not isinstance(p, nn.UninitializedParameter))
    subject = f"{where_is(module)}: {count:,} parameters"
    with untouched_randomness():
        findings, promises, skipped = _examine(module, image_dim, text_dim, dict(options))
    seconds = time.perf_counter() - started
    return Report(subject, by_harm(findings), tuple(promises), tuple(skipped), seconds)


def _examine(
    module: nn.Module, image_dim: int, text_dim: int, options: dict[str, Any]
) -> tuple[list[Finding], list[str], list[str]]:
    where = where_is(module)
    findings = reads_every_argument(module)
    try:
        work = duplicate(module).eval()
    except Exception as error:
        fix = "Make it deepcopy-able: keep locks, generators, files and tensors with a history out of its attributes."
        title = "It cannot be copied, so it was not examined"
        return [*findings, Finding("cannot-call", "error", title, raised(error), where, fix)], [], []
    if any(tensor.is_meta for tensor in (*work.parameters(), *work.buffers())):
        title, fix = "It lies on the meta device", "module.to_empty(device='cpu'), then initialise it."
        evidence = "its parameters have shapes and no values"
        return [*findings, Finding("cannot-call", "error", title, evidence, where, fix)], [], []
    try:
        subject, plan = adapt(work, image_dim, text_dim, options)
    except CannotCallError as error:
        return [*findings, _cannot(error, where)], [], [promise.name for promise in PROMISES]
    findings += _about_the_call(subject, plan)
    subject = subject.variant(masks=subject.masks - _ignored(subject, plan))
    findings += makes_its_layers_at_once(module, subject.module)
    findings += _as_vectors(subject, plan)
    return _run(subject, findings, bool(options.get("export", True)))


def _as_vectors(subject: Subject, plan: Plan | None) -> list[Finding]:
    """Where nothing says that it wants tokens, look for attention over one key when it is given pooled vectors."""
    if plan is None or plan.masks or plan.layout != LAYOUTS[0] or says_tokens(subject.module):
        return []
    pooled = subject_of(subject.variant(sizes=Sizes()), replace(plan, layout=LAYOUTS[3], equal=False))
    try:
        here, there = subject.look(subject.inputs()), pooled.look(pooled.inputs())
        findings = gives_every_parameter_a_gradient(pooled)
    except Exception:
        return []
    same = [n for n, marks in subject.labels().items() if n in there and _loses_its_tokens(marks, here[n], there[n])]
    return [finding for finding in findings if finding.kind == "one-key-softmax" and same]


def _loses_its_tokens(marks: Labels, tokens: Tensor, vectors: Tensor) -> bool:
    """Return whether the output for vectors is that for tokens without its axis of tokens."""
    sizes = [size for size, mark in zip(tokens.shape, marks, strict=True) if mark not in ("image", "text")]
    return len(sizes) == tokens.dim() - 1 and list(vectors.shape) == sizes


def _run(subject: Subject, findings: list[Finding], export: bool) -> tuple[list[Finding], list[str], list[str]]:
    passed: list[str] = []
    skipped: list[str] = []
    breaches = _guarded(Promise("deterministic in eval", is_deterministic_in_eval), subject)
    findings = findings + breaches
    random = any(finding.kind == "random-in-eval" for finding in breaches)
    subject = subject.variant(seeded=random)
    steady = not random or repeats(subject)
    if not random:
        passed += ["deterministic in eval"] if not breaches else []
    if any(finding.kind == "state-moves" for finding in breaches):
        subject = subject.variant(call=_restoring(subject))
    for promise in PROMISES:
        reason = _reason_to_skip(promise, subject, export)
        if promise.compares and not steady:
            reason = "the same call gives another output each time, whatever the seed"
        if reason:
            skipped.append(f"{promise.name} ({reason})")
            continue
        try:
            breaches = _guarded(promise, subject)
        except NotExaminedError as reason_given:
            skipped.append(f"{promise.name} ({reason_given})")
            continue
        findings += breaches
        if not any(finding.severity != "info" for finding in breaches):
            passed.append(promise.name)
    return findings, passed, skipped


def _restoring(subject: Subject) -> Call:
    """Put the buffers back before each call, so that one call does not change the next."""
    buffers = {name: buffer.clone() for name, buffer in subject.module.named_buffers()}

    def call(module: nn.Module, *inputs: Any) -> Any:
        for name, buffer in module.named_buffers():
            if name in buffers:
                buffer.data.copy_(buffers[name])
        return subject.call(module, *inputs)

    return call


def _reason_to_skip(promise: Promise, subject: Subject, export: bool) -> str:
    if promise.lengths and subject.seeded:
        return "random in eval"
    if promise.name == "torch.export" and not export:
        return "not asked for"
    if promise.name in ("NaN under the mask", "wider padding") and not subject.masks:
        return "takes no mask"
    if promise.name in ("values under the mask", "unequal lengths") and not subject.tokens:
        return "takes pooled vectors"
    return ""


def _guarded(promise: Promise, subject: Subject) -> list[Finding]:
    """Run a promise; an exception of the module's is a finding."""
    try:
        return promise.check(subject)
    except NotExaminedError:
        raise
    except Exception as error:
        title = f"It failed while '{promise.name}' was examined"
        fix = "Run the module on these inputs yourself; if it is right, tell us."
        return [Finding("crash", "warning", title, raised(error), where_is(subject.module), fix)]


def _cannot(error: CannotCallError, where: str) -> Finding:
    fix = (
        "Say how: examine(module, image_dim=…, text_dim=…, call=lambda module, image, text, image_mask, text_mask: "
        "module(…)), with tokens (batch, tokens, dim) and masks True = real; image_tokens=49 where only "
        "that many fit."
    )
    attempts = dict.fromkeys(error.attempts)
    evidence = f"{len(attempts)} ways tried. {some(list(attempts), 8)}"
    return Finding("cannot-call", "error", "No way of calling it worked", evidence, where, fix)


def _ignored(subject: Subject, plan: Plan | None) -> set[str]:
    names = ignored_masks(subject, plan) if plan is not None else {}
    return {modality for modality in MODALITIES for which in names.values() if modality in which}


def _about_the_call(subject: Subject, plan: Plan | None) -> list[Finding]:
    """Return the findings on how it was called, and on mask arguments without effect."""
    if plan is None:
        return []
    findings = [Finding("how-called", "info", "How it was called", str(plan), "", "If that is wrong, give call=…")]
    for name in contradictions(plan.conventions):
        evidence = f"padding moves the output least where {name} is given as: {plan.conventions[name]}"
        fix = (
            "key_padding_mask: True = ignore; the attn_mask of F.scaled_dot_product_attention: True = attend. "
            "Turn it with ~, or call it by what its True means."
        )
        title = f"The mask {name!r} acts against its name"
        findings.append(Finding("inverted-mask", "error", title, evidence, where_is(subject.module), fix))
    for name, modality in ignored_masks(subject, plan).items():
        harmful = any(
            finding.where and f" {part} " in f" {finding.title} "
            for finding in hides_values_under_the_mask(subject)
            for part in modality.split(" and ")
        )
        evidence = f"the output at real tokens is the same with {name} and with all tokens real"
        findings.append(
            Finding(
                "ignored-argument",
                "error" if harmful else "info",
                f"The argument {name!r} has no effect",
                evidence + ("" if harmful else "; nor does padding"),
                where_is(subject.module),
                "Hand it to the attention and leave padding out of every mean, maximum and softmax over tokens.",
            )
        )
    return findings


def assert_sound(module: nn.Module, *, allow: Collection[str] = (), **options: Any) -> Report:
    """Raise an AssertionError that holds the printed report if `examine` finds an error.

    Args:
        module: the module.
        allow: kinds of finding that are let pass.
        options: image_dim, text_dim and the options of `examine`.

    Raises:
        AssertionError: there is an error of a kind that is not allowed.
    """
    report = examine(module, **options)
    if any(finding.kind not in allow for finding in report.of("error")):
        raise AssertionError(f"the module is not sound\n{report}")
    return report
