"""Promises about learning: every parameter gets a gradient, and the output depends on both modalities."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from interfuse.doctor.findings import Finding
from interfuse.doctor.outputs import change
from interfuse.doctor.subject import MODALITIES, Inputs, Sizes, Subject, duplicate
from interfuse.doctor.words import number, some, where_is

FIRST = ("usual",)
EVERY = ("usual", "more rows", "missing image", "missing text", "training", "many rows")
WORK = 5e9
"""Multiplications that "many rows" may cost, about: weights times tokens times rows."""


class OneKeySoftmax(TorchDispatchMode):
    """Count the softmaxes over an axis of size one, of attention written out or fused."""

    def __init__(self) -> None:
        """Start at none."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at a call and let it pass."""
        name = str(func)
        softmax = name.startswith(("aten._softmax.", "aten._log_softmax."))
        if softmax and args[0].dim() and args[0].shape[args[1]] == 1:
            self.count += args[0].numel() > 0
        elif "scaled_dot_product" in name and "backward" not in name and args[1].shape[-2] == 1:
            self.count += 1
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class Learning:
    """How large the gradient of each parameter (part) is, and which can be explained."""

    largest: dict[str, float]
    """Parameter or third of an in_proj -> largest gradient over the passes."""
    opened: tuple[str, ...]
    """Blocked at step 0, open after a step."""
    one_key: int
    """Softmaxes over one key."""
    bad: tuple[str, ...]
    """Parameters whose gradient is not finite."""
    floor: float
    """At or below it a gradient counts as none."""

    def learns(self, name: str) -> bool:
        """Return whether a part has a gradient at step 0 or after steps."""
        return self.largest.get(name, 0.0) > self.floor or name in self.opened

    @property
    def dead(self) -> list[str]:
        """Parts without a gradient, even after steps."""
        return [name for name in self.largest if not self.learns(name)]


def gives_every_parameter_a_gradient(
    subject: Subject, floor: float | None = None, passes: Sequence[str] = EVERY
) -> list[Finding]:
    """Return each parameter a finite, non-zero gradient at step 0, or, behind a zero gate, after a step."""
    learning = learn(subject, floor, passes)
    findings: list[Finding] = []
    where = where_is(subject.module)
    if learning.bad:
        fix = "Add an eps inside square roots, norms, logarithms and quotients; start from smaller weights."
        evidence = f"NaN or inf at {some(list(learning.bad))}"
        findings.append(Finding("bad-gradient", "error", "A gradient is not finite", evidence, where, fix))
    cancelled = [name for name in learning.dead if _cancels(name, learning.learns)]
    dead = [name for name in learning.dead if name not in cancelled]
    if cancelled:
        evidence = f"its weight learns, the bias has gradient 0: {some(cancelled)}"
        title = "A bias that cancels: softmax does not see what is added to every score"
        fix = "Harmless; bias=False saves it."
        findings.append(Finding("cancelled-bias", "info", title, evidence, some(cancelled), fix))
    if dead and learning.one_key:
        findings.append(_one_key(dead, learning, where))
    elif dead:
        findings.append(_dead(subject, dead, learning, where))
    gated = [name for name in learning.opened if not subject.zero_gates]
    if gated:
        evidence = f"gradient exactly 0 at step 0 and not after a step: {some(gated)}"
        title = "Closed at the start: a parameter that starts at zero blocks the gradient of others for one step"
        fix = "Meant so in Flamingo's gates, LoRA and adaLN-zero; else start from small random weights."
        findings.append(Finding("zero-gate", "info", title, evidence, some(gated), fix))
    return findings


def _one_key(dead: list[str], learning: Learning, where: str) -> Finding:
    return Finding(
        "one-key-softmax",
        "error",
        "Attention over one key: its weight is exactly 1, so query and key never train",
        f"{learning.one_key} softmax over a single key in one call; gradient 0 at {some(dead)}",
        f"{some(dead)}; {where}",
        "Give it tokens (batch, tokens, dim) instead of one pooled vector, take the softmax over the axis of keys, "
        "or use concat, product or a gate on pooled vectors.",
    )


def _dead(subject: Subject, dead: list[str], learning: Learning, where: str) -> Finding:
    own = dict(subject.module.named_parameters())
    count = sum(own[name].numel() if name in own else own[name.split("[")[0]].numel() // 3 for name in dead)
    total = sum(p.numel() for p in own.values())
    alive = max(learning.largest.values(), default=0.0)
    return Finding(
        "dead-parameter",
        "error",
        f"{len(dead)} parameter{'s' if len(dead) > 1 else ''} never receive{'' if len(dead) > 1 else 's'} a gradient",
        f"{count:,} of {total:,} weights: gradient at most {number(max(learning.largest[n] for n in dead))}, "
        f"elsewhere up to {number(alive)}; also with more rows, a missing modality, in training mode, after two steps",
        f"{some(dead)}; {where}",
        "Use it in forward, or delete it. Look for a layer that is made and not called, a detach(), .data, argmax or "
        "no_grad(), an output that is overwritten, a saturated or dead activation.",
    )


def _cancels(name: str, learns: Callable[[str], bool]) -> bool:
    """A bias is shift-invariant where the weight of the same layer does learn."""
    if "bias" not in name.rsplit(".", 1)[-1]:
        return False
    weights = ["weight".join(name.rsplit("bias", 1)), name.replace("in_proj_bias[key]", "k_proj_weight")]
    return any(learns(weight) for weight in weights if weight != name)


def _blocked(largest: dict[str, float], limit: float) -> list[str]:
    """List the parts without a gradient, but for biases that cancel."""
    parts = [part for part, size in largest.items() if size <= limit]
    return [part for part in parts if not _cancels(part, lambda name: largest.get(name, 0.0) > limit)]


def learn(subject: Subject, floor: float | None = None, passes: Sequence[str] = EVERY) -> Learning:
    """Measure gradients; only what is still dead is looked for in the next pass, and then after steps."""
    module = _first(subject)
    largest: dict[str, float] = {}
    bad: set[str] = set()
    with OneKeySoftmax() as softmaxes:
        subject.run(subject.inputs())
    limit = floor if floor is not None else 0.0
    for name in passes:
        for part, size in _measure(subject, module, name):
            largest[part] = max(largest.get(part, 0.0), 0.0 if math.isnan(size) else size)
            if not math.isfinite(size):
                bad.add(part)
        if floor is None:
            limit = _rounding(list(largest.values()), subject.exact)
        if bad or not _blocked(largest, limit):
            break
    blocked = _blocked(largest, limit)
    opened: set[str] = set()
    if blocked and not bad:
        later = stepped(subject)
        for name in passes:
            opened |= {part for part, size in _measure(subject, later, name) if part in blocked and size > limit}
    return Learning(largest, tuple(sorted(opened)), softmaxes.count, tuple(sorted(bad)), limit)


def _rounding(sizes: list[float], exact: torch.dtype) -> float:
    """Return the size below which a gradient is rounding: relative to the third quartile, which no outlier moves."""
    finite = sorted(size for size in sizes if math.isfinite(size))
    scale = finite[(3 * len(finite)) // 4] if finite else 0.0
    return scale * (1e-11 if exact == torch.float64 else 1e-6)


def _measure(subject: Subject, module: nn.Module, name: str) -> Iterator[tuple[str, float]]:
    """Take the gradients of one pass and return the size of each part of each parameter."""
    inputs = subject.inputs()
    if name == "more rows":
        inputs = subject.inputs(Sizes(31, subject.sizes.image, subject.sizes.text), seed=5)
    elif name == "many rows":  # for an expert that few rows choose
        weights = sum(p.numel() for p in module.parameters())
        tokens = sum(inputs.values(modality).shape[1] for modality in MODALITIES)
        rows = int(min(2048, WORK / max(1, weights * tokens)))
        if rows <= 31:
            return
        inputs = subject.inputs(Sizes(rows, subject.sizes.image, subject.sizes.text), seed=6)
    elif name.startswith("missing"):
        modality = name.split()[1]
        if modality not in subject.masks:
            return
        mask = inputs.mask(modality).clone()
        mask[0] = False
        inputs = inputs.having(modality, mask=mask)
    if name == "training":  # on a copy: batch norm moves its statistics
        module = duplicate(module).train()
    try:
        grads = _grads(subject, module, inputs)
    except Exception:
        if name == "usual":
            raise
        return
    for key, (parameter, grad) in grads.items():
        for part, piece in _parts(key, parameter, grad):
            if name.startswith("missing") and piece is not None and not piece.isfinite().all():
                continue  # another promise tells of it
            yield part, 0.0 if piece is None else float(piece.abs().max()) if piece.numel() else 1.0


def _grads(subject: Subject, module: nn.Module, inputs: Inputs) -> dict[str, tuple[Tensor, Tensor | None]]:
    output = subject.run(inputs, module)
    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad and p.is_floating_point()}
    draw = torch.Generator().manual_seed(2)
    total = torch.zeros((), dtype=subject.exact, device=subject.device)
    for leaf in output.values():
        weights = torch.randn(leaf.shape, generator=draw, dtype=torch.float64).to(leaf)
        total = total + (leaf * weights).sum()
    if not total.requires_grad:
        return {name: (p, None) for name, p in parameters.items()}
    grads = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    return {name: (p, grad) for (name, p), grad in zip(parameters.items(), grads, strict=True)}


def _parts(name: str, parameter: Tensor, grad: Tensor | None) -> Iterator[tuple[str, Tensor | None]]:
    """Split a packed in_proj into its query, key and value thirds."""
    if "in_proj_" not in name or parameter.shape[0] % 3:
        yield name, grad
        return
    pieces = (None, None, None) if grad is None else grad.chunk(3)
    yield from zip((f"{name}[query]", f"{name}[key]", f"{name}[value]"), pieces, strict=True)


def _first(subject: Subject) -> nn.Module:
    return subject.module if subject.initial is None else subject.initial


def stepped(subject: Subject, steps: int = 2) -> nn.Module:
    """Copy the module and take plain gradient steps on a random linear loss."""
    module = duplicate(_first(subject))
    for _ in range(steps):
        for parameter, grad in _grads(subject, module, subject.inputs()).values():
            if grad is not None and grad.isfinite().all():
                parameter.data.sub_(0.1 * grad / grad.norm().clamp_min(1.0))
    return module


def depends_on_both(subject: Subject) -> list[Finding]:
    """Change the output when image or text changes, for every modality it is meant to depend on."""
    reach = _reach(subject, _first(subject))
    later: dict[str, dict[str, float]] | None = None
    findings: list[Finding] = []
    where = where_is(subject.module)
    for modality in sorted(subject.modalities):
        if any(size > 1e-9 for size in reach[modality].values()):
            continue
        later = _reach(subject, stepped(subject)) if later is None else later
        if any(size > 1e-9 for size in later[modality].values()):
            most = number(max(later[modality].values()))
            evidence = f"at step 0 another {modality} changes nothing; after two steps by {most}"
            fix = "Meant so behind a zero-initialised gate; else look for a weight that starts at zero."
            findings.append(
                Finding("zero-gate", "info", f"The {modality} enters through a closed gate", evidence, where, fix)
            )
            continue
        evidence = (
            f"another {modality} in every row moves the output by {number(max(reach[modality].values(), default=0))}"
        )
        fix = f"Use the {modality} in what forward returns; an attention over one key ignores its query."
        findings.append(Finding("modality-ignored", "error", f"The {modality} is ignored", evidence, where, fix))
    for modality in sorted(set(MODALITIES) - subject.modalities):
        if any(size > 1e-9 for size in reach[modality].values()):
            evidence = f"declared unimodal, but another {modality} moves the output"
            findings.append(Finding("modality-ignored", "error", f"The {modality} is not ignored", evidence, where, ""))
    if not findings and len(subject.modalities) > 1:
        findings += _fusing(subject, reach, where)
    return findings


def lets_gradients_reach_both_inputs(subject: Subject, floor: float = 0.0) -> list[Finding]:
    """Let a gradient flow back to every modality that the output depends on."""
    inputs = subject.inputs()
    leaves = {m: inputs.values(m).clone().requires_grad_() for m in MODALITIES}
    output = subject.run(inputs._replace(**leaves))
    draw = torch.Generator().manual_seed(2)
    sums = [
        (leaf * torch.randn(leaf.shape, generator=draw, dtype=torch.float64).to(leaf)).sum() for leaf in output.values()
    ]
    total = torch.stack(sums).sum()
    blocked = sorted(subject.modalities)
    if total.requires_grad:
        grads = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
        sizes = {m: 0.0 if g is None else float(g.abs().max()) for m, g in zip(MODALITIES, grads, strict=True)}
        blocked = [m for m in blocked if not sizes[m] > floor]
    if not blocked:
        return []
    evidence = f"the gradient at the {' and the '.join(blocked)} is 0"
    fix = "Harmless on frozen features; with a trainable encoder in front take away detach() or no_grad()."
    title = "No gradient reaches what stands in front"
    return [Finding("blocked-input", "info", title, evidence, where_is(subject.module), fix)]


def _fusing(subject: Subject, reach: dict[str, dict[str, float]], where: str) -> list[Finding]:
    both = [name for name in reach["image"] if min(reach[m].get(name, 0.0) for m in MODALITIES) > 1e-9]
    if both:
        return []
    later = _reach(subject, stepped(subject))
    if any(min(later[m].get(name, 0.0) for m in MODALITIES) > 1e-9 for name in later["image"]):
        return []
    evidence = ", ".join(f"{name} from {'image' if reach['image'][name] > 1e-9 else 'text'}" for name in reach["image"])
    fix = "Meant so in a dual encoder trained by contrast; a fusion needs an output of both."
    return [Finding("no-fusion", "info", "No output depends on both modalities", evidence, where, fix)]


def _reach(subject: Subject, module: nn.Module) -> dict[str, dict[str, float]]:
    """Measure, for each modality and output, how far other content moves it."""
    inputs, other = subject.inputs(), subject.inputs(seed=7)
    plain = subject.look(inputs, module)
    reach: dict[str, dict[str, float]] = {}
    for modality in MODALITIES:
        output = subject.look(inputs.having(modality, other.values(modality)), module)
        reach[modality] = {n: change(output[n], leaf) for n, leaf in plain.items() if n in output and leaf.dim()}
    return reach
