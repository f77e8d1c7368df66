"""Promises about shapes, dtypes and lengths."""

import torch

from interfuse.doctor.findings import Finding, Severity
from interfuse.doctor.outputs import Leaves
from interfuse.doctor.subject import Inputs, Sizes, Subject, duplicate
from interfuse.doctor.words import number, raised, where_is


def keeps_its_shape(subject: Subject) -> list[Finding]:
    """Return one row of output a row of input, for a batch of one and for one token too."""
    findings: list[Finding] = []
    labels = subject.labels()
    usual = subject.look(subject.inputs())
    one_token = Sizes(
        subject.sizes.batch,
        1 if "image" in subject.varying else subject.sizes.image,
        1 if "text" in subject.varying else subject.sizes.text,
    )
    one_row = Sizes(1, subject.sizes.image, subject.sizes.text)
    for what, sizes in (("a batch of one", one_row), ("one token each", one_token)):
        try:
            output = subject.look(subject.inputs(sizes))
        except Exception as error:
            findings.append(_shape(subject, f"{what} fails", raised(error)))
            continue
        for name, marks in labels.items():
            expected = list(usual[name].shape)
            expected[marks.index("batch")] = sizes.batch
            loose = [i for i, mark in enumerate(marks) if mark not in ("batch", None)]
            shape = list(output[name].shape) if name in output else None
            if shape is None or _without(shape, loose) != _without(expected, loose):
                findings.append(_shape(subject, f"{what} gives another shape", f"{name}: {shape}, expected {expected}"))
    return findings


def _without(shape: list[int], axes: list[int]) -> list[int]:
    return [size for axis, size in enumerate(shape) if axis not in axes]


def _shape(subject: Subject, title: str, evidence: str) -> Finding:
    fix = "Name the axes that you reduce (squeeze(1), not squeeze()), and do not index tokens that may not be there."
    return Finding("shape", "error", title, evidence, where_is(subject.module), fix)


def keeps_its_dtype(subject: Subject) -> list[Finding]:
    """Return float32, float64 and bfloat16 for the same dtype of weights and inputs."""
    findings: list[Finding] = []
    module = duplicate(subject.module)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        try:
            output = subject.look(subject.inputs().to(dtype), module.to(dtype))
        except Exception as error:
            severity: Severity = "error" if dtype == subject.dtype else "info"
            findings.append(_dtype(subject, severity, f"{_name(dtype)} fails", raised(error)))
            continue
        other = {name: _name(leaf.dtype) for name, leaf in output.items() if leaf.dtype != dtype}
        if other:
            severity = "warning" if dtype == subject.dtype else "info"
            findings.append(_dtype(subject, severity, f"{_name(dtype)} in, another dtype out", str(other)))
    return findings


def stays_near_in_autocast(subject: Subject, tolerance: float = 0.1) -> list[Finding]:
    """Under bfloat16 autocast, stay within `tolerance` (relative to 1 + size) of float32."""
    if subject.dtype != torch.float32:
        return []
    module, inputs = duplicate(subject.module).to(torch.float32), subject.inputs().to(torch.float32)
    plain = subject.look(inputs, module)
    try:
        with torch.autocast(subject.device.type, torch.bfloat16):
            near = subject.look(inputs, module)
    except Exception as error:
        slow, message = _without_fast_path(subject, inputs, module), raised(error)
        if slow is None or max(subject.compare(plain, slow, inputs)) > tolerance:
            return [_dtype(subject, "warning", "bfloat16 autocast fails", message)]
        title = "bfloat16 autocast fails in PyTorch's fast path for inference"
        return [_dtype(subject, "info", title, f"{message}; torch.backends.mha.set_fastpath_enabled(False) helps")]
    gap = max(subject.compare(plain, near, inputs))
    if gap <= tolerance:
        return []
    severity: Severity = "warning" if gap == float("inf") else "info"
    return [_dtype(subject, severity, "bfloat16 autocast is far from float32", f"differs by {number(gap)}")]


def _without_fast_path(subject: Subject, inputs: Inputs, module: torch.nn.Module) -> Leaves | None:
    """Try bfloat16 autocast again without PyTorch's fast path, whose nested tensors have no mixed kernel."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.autocast(subject.device.type, torch.bfloat16):
            return subject.look(inputs, module)
    except Exception:
        return None
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def _dtype(subject: Subject, severity: Severity, title: str, evidence: str) -> Finding:
    fix = "Make tensors in forward with the dtype and device of an input (x.new_zeros, torch.zeros_like)."
    return Finding("dtype", severity, title, evidence, where_is(subject.module), fix)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def takes_unequal_lengths(subject: Subject) -> list[Finding]:
    """Take any number of image tokens beside any number of text tokens."""
    if subject.equal:
        a, b = subject.sizes.image, subject.sizes.image + 2
        evidence = f"{a} image tokens with {a} text tokens run; {a} with {b} do not"
        return [_unequal(subject, evidence, "error")]
    pairs = [(7, 5), (2, 11), (11, 2), (6, 6)]
    for image, text in pairs:
        sizes = Sizes(
            subject.sizes.batch,
            image if "image" in subject.varying else subject.sizes.image,
            text if "text" in subject.varying else subject.sizes.text,
        )
        try:
            subject.look(subject.inputs(sizes))
        except Exception as error:
            return [
                _unequal(subject, f"{sizes.image} image tokens, {sizes.text} text tokens: {raised(error)}", "error")
            ]
    return []


def _unequal(subject: Subject, evidence: str, severity: Severity) -> Finding:
    return Finding(
        "unequal-lengths",
        severity,
        "Some numbers of image and text tokens do not go together",
        evidence,
        where_is(subject.module),
        "Let tokens meet by attention or by masked means, never by adding, stacking or concatenating along the width.",
    )
