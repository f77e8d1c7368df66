"""Promises about masks: padding is invisible, and a missing modality is finite and hides its content."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from interfuse.doctor.findings import Finding, Severity
from interfuse.doctor.subject import MODALITIES, Inputs, Subject
from interfuse.doctor.words import number, raised, where_is

POISON = (float("nan"), float("inf"))
FIX_NO_MASK = (
    "Take a mask (batch, tokens) for each modality, True = a real token; give it to the attention and leave padding "
    "out of every mean, maximum and softmax over tokens."
)


def hides_values_under_the_mask(
    subject: Subject, garbage: Sequence[float] = (0.0, 9.0), slack: float | None = None
) -> list[Finding]:
    """Return the same output whatever finite values stand under the mask, but for `slack`."""
    return _leaks(subject, garbage, MODALITIES, slack)


def hides_poison_under_the_mask(
    subject: Subject, garbage: Sequence[float] = (1e4, *POISON), slack: float | None = None
) -> list[Finding]:
    """Return the same output, but for rounding, even with huge values, NaN or inf under the mask."""
    sound = [m for m in MODALITIES if m in subject.masks and not _leaks(subject, (0.0, 9.0), [m])]
    gaps = {value: _gap(subject, value, sound) for value in garbage}
    worst = {value: gap for value, gap in gaps.items() if gap > (subject.rounding if slack is None else slack)}
    if not worst:
        return []
    evidence = ", ".join(f"{value:g} moves the output by {number(gap)}" for value, gap in worst.items())
    fix = "Put zeros under the mask on entry with torch.where (0 * NaN is NaN, so multiplying does not)."
    title = "Huge values, NaN or inf under the mask would reach the output"
    return [Finding("poison-leak", "info", title, evidence, where_is(subject.module), fix)]


def _gap(subject: Subject, value: float, modalities: Sequence[str]) -> float:
    inputs = subject.inputs()
    dirty = inputs
    for modality in modalities:
        mask = inputs.mask(modality)
        dirty = dirty.having(modality, inputs.values(modality).masked_fill(~mask.unsqueeze(-1), value))
    return max(subject.compare(subject.look(inputs), subject.look(dirty), inputs))


def _leaks(
    subject: Subject, garbage: Sequence[float], modalities: Sequence[str], slack: float | None = None
) -> list[Finding]:
    findings: list[Finding] = []
    slack = subject.rounding if slack is None else slack
    for modality in modalities:
        if modality not in subject.tokens or (modality not in subject.masks and modality not in subject.varying):
            continue  # of a fixed number of tokens none is padding
        gaps = {value: _gap(subject, value, [modality]) for value in garbage}
        worst = max(gaps, key=lambda value: gaps[value])
        if gaps[worst] > slack:
            evidence = f"{worst:g} under the {modality} mask moves the output at real tokens by {number(gaps[worst])}"
            findings.append(_leak(subject, modality, evidence))
    return findings


def _leak(subject: Subject, modality: str, evidence: str) -> Finding:
    where = where_is(subject.module)
    if modality in subject.masks:
        fix = (
            "Hand the mask to every attention (key_padding_mask: True = ignore; SDPA: True = attend), and to every "
            "mean, maximum, norm, convolution or recurrence over tokens."
        )
        return Finding("padding-leak", "error", f"Padding of the {modality} changes the output", evidence, where, fix)
    title = f"Takes no {modality} mask: padded {modality} tokens count as real"
    # A picture's grid may always be whole, sentences never are of one length.
    severity: Severity = "error" if modality == "text" and not subject.masks else "warning"
    fix = f"{FIX_NO_MASK} Where their number is always the same, say so: examine(…, {modality}_tokens=N)."
    return Finding("no-mask", severity, title, evidence, where, fix)


def ignores_wider_padding(subject: Subject, left: int = 0, right: tuple[int, int] = (4, 6)) -> list[Finding]:
    """Return the same output with more padding on the right (and `left` places on the image's left)."""
    inputs = subject.inputs()
    plain = subject.look(inputs)
    findings: list[Finding] = []
    for modality, wider in zip(MODALITIES, right, strict=True):
        if modality not in subject.varying or modality not in subject.tokens or modality not in subject.masks:
            continue
        before = left if modality == "image" else 0
        values = F.pad(inputs.values(modality), (0, 0, before, wider), value=9.0)
        padded = inputs.having(modality, values, F.pad(inputs.mask(modality), (before, wider)))
        if subject.equal:
            continue
        try:
            gap = max(subject.compare(plain, subject.look(padded), inputs, padded))
        except Exception as error:
            findings.append(_leak(subject, modality, f"{wider} more padded {modality} tokens: {raised(error)}"))
            continue
        if gap > subject.tolerance:
            evidence = f"{wider} more padded {modality} tokens move the output by {number(gap)}"
            findings.append(_leak(subject, modality, evidence))
    return findings


def takes_no_mask_for_all_real(subject: Subject, unmasked: Subject) -> list[Finding]:
    """Return the same output for no mask at all as for masks that call every token real."""
    inputs = subject.inputs(full=True)
    gap = max(subject.compare(subject.look(inputs), unmasked.look(inputs), inputs))
    if gap <= subject.rounding:
        return []
    evidence = f"masks that are all real differ from no mask by {number(gap)}"
    fix = "Treat a mask of None as all real."
    return [Finding("padding-leak", "warning", "No mask is not all real", evidence, where_is(subject.module), fix)]


def survives_a_missing_modality(subject: Subject, slack: float | None = None) -> list[Finding]:
    """Return finite output and gradients for a row without image, text or both, and hide what stands there.

    Missing is a mask all False; to a module that takes no mask of the modality it is a row of zeros.
    """
    findings: list[Finding] = []
    for missing in (("image",), ("text",), MODALITIES):
        inputs = subject.inputs()
        for modality in missing:
            inputs = _without(subject, inputs, modality)
        name = " and ".join(missing)
        evidence = _not_finite(subject, inputs)
        if evidence:
            findings.append(_missing("missing-nan", subject, name, f"Missing {name} gives NaN or inf", evidence))
            continue
        gap = _content(subject, inputs, missing)
        if gap > (subject.rounding if slack is None else slack):
            evidence = f"row 0's {name} mask is all False; changing what stands there moves its output by {number(gap)}"
            findings.append(_missing("missing-leak", subject, name, f"Missing {name} leaks its content", evidence))
    return _once(findings)


def _once(findings: list[Finding]) -> list[Finding]:
    """Leave out "image and text" where image or text alone already breaks it the same way."""
    single = {finding.kind for finding in findings if " and text " not in finding.title}
    return [finding for finding in findings if " and text " not in finding.title or finding.kind not in single]


def _without(subject: Subject, inputs: Inputs, modality: str) -> Inputs:
    first = torch.zeros_like(inputs.mask(modality))
    first[0] = True
    if modality in subject.masks:
        return inputs.having(modality, mask=inputs.mask(modality) & ~first)
    return inputs.having(modality, inputs.values(modality).masked_fill(first.unsqueeze(-1), 0.0))


def _not_finite(subject: Subject, inputs: Inputs) -> str:
    """Run forward and backward with a missing row; return what is not finite, or nothing."""
    image, text = (values.clone().requires_grad_() for values in (inputs.image, inputs.text))
    try:
        output = subject.run(inputs._replace(image=image, text=text))
    except Exception as error:
        return raised(error)
    # A row without tokens has no real token outputs, so those are judged where something real is left.
    plain = subject.compare(output, {k: torch.zeros_like(v) for k, v in output.items()}, inputs)
    if float("inf") in plain:
        return f"the output of row {plain.index(float('inf'))} is not finite"
    total = _visible_sum(subject, output, inputs)
    parameters = {name: p for name, p in subject.module.named_parameters() if p.requires_grad}
    if not total.requires_grad:
        return ""
    grads = torch.autograd.grad(total, [image, text, *parameters.values()], allow_unused=True)
    names = ["the image", "the text", *parameters]
    bad = [name for name, grad in zip(names, grads, strict=True) if grad is not None and not grad.isfinite().all()]
    return f"the gradient of {', '.join(bad[:4])} is not finite" if bad else ""


def _visible_sum(subject: Subject, output: dict[str, Tensor], inputs: Inputs) -> Tensor:
    from interfuse.doctor.outputs import visible

    total = torch.zeros((), dtype=subject.exact, device=subject.device)
    for name, labels in subject.labels().items():
        if name in output:
            for row in visible(output[name], labels, inputs.image_mask, inputs.text_mask):
                total = total + row.square().sum()
    return total


def _content(subject: Subject, inputs: Inputs, missing: Sequence[str]) -> float:
    """Measure what changing the content of missing rows does to the output."""
    plain, other = subject.look(inputs), inputs
    for modality in missing:
        if modality in subject.masks:
            empty = ~inputs.mask(modality).any(1)
            values = inputs.values(modality)
            fresh = torch.randn(values.shape, dtype=values.dtype, device="cpu").to(values.device)
            other = other.having(modality, torch.where(empty[:, None, None], 3 * fresh + values, values))
    return subject.compare(plain, subject.look(other), inputs)[0]


def _missing(kind: str, subject: Subject, name: str, title: str, evidence: str) -> Finding:
    modality = name.split()[0]
    way = "a mask all False" if modality in subject.masks else "a row of zeros"
    fix = (
        f"Missing is {way}: put zeros (or one learned absent token) in place of such a row before anything else, and "
        "let its attention give zeros; a softmax of scores all -inf is NaN, and of scores all -1e9 it is uniform."
    )
    if modality not in subject.masks:
        fix = "Missing is a row of zeros: add an eps inside each square root, norm and quotient."
    severity: Severity = "error"
    if subject.is_layer():
        severity, title = "warning", f"{title}, as a layer by itself"
        fix = f"The model around it must give an absent modality a token of its own; or: {fix}"
    return Finding(kind, severity, title, evidence, where_is(subject.module), fix)
