"""Promises about state: every weight is registered, and saving then loading brings the module back."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from interfuse.doctor.findings import Finding, NotExaminedError, Severity
from interfuse.doctor.names import role
from interfuse.doctor.source import drawn_at_random
from interfuse.doctor.subject import Subject, duplicate
from interfuse.doctor.words import number, raised, some, where_is

OWN = frozenset(vars(nn.Module())) | {"training"}
DEPTH = 4


def registers_every_parameter(subject: Subject) -> list[Finding]:
    """Keep no trainable tensor and no layer where `parameters()` does not see it."""
    hidden = {name: t for name, t in hidden_tensors(subject.module) if t.requires_grad}
    if not hidden:
        return _reached_from_nowhere(subject)
    shift = max((_moves(subject, name) for name in list(hidden)[:4]), default=0.0)
    count = sum(tensor.numel() for tensor in hidden.values())
    evidence = (
        f"{len(hidden)} tensors of {count:,} weights require a gradient and are not in parameters() or state_dict()"
    )
    evidence += f"; changing one moves the output by {number(shift)}" if shift else "; none of them moves the output"
    return [
        Finding(
            "unregistered-parameters",
            "error" if shift else "warning",
            "Parameters that no optimiser sees and no checkpoint saves",
            evidence,
            f"{some(list(hidden))}; {where_is(subject.module)}",
            "Use nn.ParameterList, nn.ModuleList, nn.ParameterDict or nn.ModuleDict, or assign nn.Parameter to self.",
        )
    ]


def _reached_from_nowhere(subject: Subject) -> list[Finding]:
    """Find what requires a gradient in the output's graph and no attribute leads to: in a closure, a global."""
    if isinstance(subject.module, torch.jit.ScriptModule):  # its copy in another dtype holds tensors of its own
        return []
    known = {id(parameter) for parameter in subject.module.parameters()}
    strangers = [tensor for tensor in _graph_leaves(subject.run(subject.inputs())) if id(tensor) not in known]
    if not strangers:
        return []
    count, shapes = sum(t.numel() for t in strangers), some([str(tuple(t.shape)) for t in strangers])
    return [
        Finding(
            "unregistered-parameters",
            "error",
            "Parameters that no optimiser sees and no checkpoint saves",
            f"the output's gradient reaches {len(strangers)} tensors of {count:,} weights, {shapes}, that are not in "
            "parameters() or state_dict()",
            f"held by a closure, a default argument, a global or far down in containers; {where_is(subject.module)}",
            "Assign each as nn.Parameter or nn.Module to self, and let forward read it from there.",
        )
    ]


def _graph_leaves(outputs: dict[str, Tensor]) -> list[Tensor]:
    """Walk the graph behind the outputs; return the leaves that a gradient would be gathered in."""
    todo = [output.grad_fn for output in outputs.values() if output.grad_fn is not None]
    visited, leaves = set(todo), dict[int, Tensor]()
    while todo:
        node = todo.pop()
        leaf = getattr(node, "variable", None)
        if isinstance(leaf, Tensor) and leaf.numel():
            leaves[id(leaf)] = leaf
        for following, _ in node.next_functions:
            if following is not None and following not in visited:
                visited.add(following)
                todo.append(following)
    return list(leaves.values())


def hidden_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Find the tensors in attributes, lists and dicts, that are no parameter or buffer of the module."""
    known = {id(tensor) for tensor in (*module.parameters(), *module.buffers())}
    parts = {id(part) for part in module.modules()}
    for prefix, part in module.named_modules():
        for name, value in vars(part).items():
            if name not in OWN:
                path = f"{prefix}.{name}" if prefix else name
                yield from _tensors(value, path, known, parts, DEPTH)


def _tensors(value: Any, path: str, known: set[int], parts: set[int], depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        if id(value) not in known and value.numel():
            known.add(id(value))
            yield path, value
        return
    children: list[tuple[str, Any]] = []
    if isinstance(value, nn.Module):
        if id(value) not in parts:
            children = [(f".{name}", tensor) for name, tensor in (*value.named_parameters(), *value.named_buffers())]
    elif isinstance(value, dict):
        children = [(f"[{key!r}]", child) for key, child in value.items()]
    elif isinstance(value, list | tuple | set | frozenset):
        children = [(f"[{i}]", child) for i, child in enumerate(value)]
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not callable(value):
        children = [(f".{key}", child) for key, child in vars(value).items()]
    if depth:
        for name, child in children:
            yield from _tensors(child, f"{path}{name}", known, parts, depth - 1)


def _moves(subject: Subject, path: str) -> float:
    """Measure what a change of one hidden tensor does to the output."""
    variant = duplicate(subject.module)
    tensor = dict(hidden_tensors(variant)).get(path)
    if tensor is None:
        return 0.0
    with torch.no_grad():
        if tensor.is_floating_point() or tensor.is_complex():
            tensor.data = tensor.data + torch.randn_like(tensor)
        elif tensor.dim():
            tensor.data = tensor.data.roll(1, 0)
    inputs = subject.inputs()
    try:
        gap = max(subject.compare(subject.look(inputs), subject.look(inputs, variant), inputs))
    except Exception:
        return 0.0
    return gap


def survives_saving_and_loading(subject: Subject) -> list[Finding]:
    """Return the same output, but for rounding, from a module made again that has loaded the state.

    Raises:
        NotExaminedError: it could not be made again, and nothing else shows that state is lost.
    """
    remake = subject.remake or guess_remake(subject)
    findings = _reload(subject, remake) if remake is not None else None
    if findings is None:
        findings = _moved_in_training(subject) or _unsaved(subject)
        if not findings:
            raise NotExaminedError("it could not be made again: give remake=…")
        return findings
    return findings or _moved_in_training(subject) or [f for f in _unsaved(subject) if f.severity == "info"]


def _moved_in_training(subject: Subject) -> list[Finding]:
    """Train a copy for two calls, load its state into another copy, and expect the same output of both."""
    trained, again = duplicate(subject.module).train(), duplicate(subject.module)
    inputs = subject.inputs()
    try:
        for _ in range(2):
            subject.look(inputs, trained)
        again.load_state_dict(trained.state_dict())
        gap = max(subject.compare(subject.look(inputs, trained.eval()), subject.look(inputs, again.eval()), inputs))
    except Exception:
        return []  # other promises tell of what fails
    if gap <= subject.tolerance or subject.seeded:
        return []
    before = dict(hidden_tensors(subject.module))
    names = [n for n, t in hidden_tensors(trained) if n not in before or not torch.equal(before[n].to(t), t)]
    evidence = f"after two calls in training mode a copy with its state differs by {number(gap)}: {some(names) or '?'}"
    fix = "Hold what training updates in register_buffer (persistent), as batch norm does."
    title = "What training updates is not in state_dict()"
    return [Finding("state-lost", "error", title, evidence, where_is(subject.module), fix)]


def _reload(subject: Subject, remake: Callable[[], nn.Module]) -> list[Finding] | None:
    """Save, make again with other randomness, load; None where what was made is another module."""
    state = {key: value.detach().clone().contiguous() for key, value in subject.module.state_dict().items()}
    where = where_is(subject.module)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(12345)
        try:
            again = remake().to(subject.device).eval()
        except Exception as error:
            if subject.remake is None:
                return None
            evidence = f"its own settings fail: {raised(error)}"
            fix = "Keep the settings as they were given."
            return [Finding("state-lost", "error", "It cannot be made again from its settings", evidence, where, fix)]
    if subject.remake is None and not _fits(again, state):
        return None
    try:
        again.to(subject.exact).load_state_dict(load(save(state)))
    except Exception as error:
        fix = "Make every layer and buffer in __init__."
        return [Finding("state-lost", "error", "Its state cannot be loaded", raised(error), where, fix)]
    inputs = subject.inputs()
    gap = max(subject.compare(subject.look(inputs), subject.look(inputs, again), inputs))
    if gap <= subject.rounding or subject.seeded:
        return []
    names = [name for name, _ in hidden_tensors(subject.module)] + sorted(_unsaved_buffers(subject.module))
    evidence = (
        f"made again and loaded, the same batch differs by {number(gap)}; not in state_dict(): {some(names) or '?'}"
    )
    fix = "Hold what is drawn or counted in register_buffer (persistent), what is learned in nn.Parameter."
    return [Finding("state-lost", "error", "State does not survive saving and loading", evidence, where, fix)]


def _fits(module: nn.Module, state: dict[str, Tensor]) -> bool:
    if any(is_lazy(p) for p in (*module.parameters(), *module.buffers())):
        return False
    shapes = {key: value.shape for key, value in module.state_dict().items()}
    return shapes == {key: value.shape for key, value in state.items()}


def _unsaved_buffers(module: nn.Module) -> dict[str, Tensor]:
    keys = set(module.state_dict())
    return {name: buffer for name, buffer in module.named_buffers() if name not in keys}


def _unsaved(subject: Subject) -> list[Finding]:
    """Judge unsaved tensors from the source, where the module cannot be made again."""
    findings: list[Finding] = []
    hidden = {name: t for name, t in hidden_tensors(subject.module) if not t.requires_grad}
    for name in [*hidden, *_unsaved_buffers(subject.module)]:
        path, _, attribute = name.split("[")[0].rpartition(".")
        owner = subject.module.get_submodule(path)
        random = drawn_at_random(type(owner), attribute)
        if name not in hidden and not random:
            continue
        shift = _moves(subject, name) if name in hidden else 1.0
        if not shift:
            continue
        severity: Severity = "error" if random else "info"
        how = "drawn at random when made" if random else "a plain attribute"
        evidence = (
            f"{name} is {how}, is not in state_dict() and shapes the output (a change moves it by {number(shift)})"
        )
        title = "State does not survive saving and loading" if random else "A constant that does not follow .to(device)"
        fix = "register_buffer(name, tensor) saves it and moves it."
        findings.append(
            Finding("state-lost" if random else "not-a-buffer", severity, title, evidence, where_is(owner), fix)
        )
    return findings


def guess_remake(subject: Subject) -> Callable[[], nn.Module] | None:
    """Guess how the module was made: from a config, or from attributes and widths named like the arguments."""
    cls, module = type(subject.module), subject.module
    settings: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = getattr(module, name, parameter.empty)
        plain = isinstance(value, int | float | str | bool | type(None)) or "config" in name.lower()
        if value is not parameter.empty and plain and not isinstance(value, nn.Module):
            settings[name] = value
        elif parameter.default is parameter.empty:
            modality = role(name)
            if modality is None or not any(
                word in name.lower() for word in ("dim", "size", "width", "d_", "_d", "in", "ch")
            ):
                return None
            settings[name] = subject.image_dim if modality == "image" else subject.text_dim
    return lambda: cls(**settings)


def makes_its_layers_at_once(before: nn.Module, after: nn.Module) -> list[Finding]:
    """Have all its parameters and buffers before the first call."""
    uninitialised = {name for name, p in before.named_parameters() if is_lazy(p)}
    new = sorted(set(after.state_dict()) - set(before.state_dict()))
    if not new or uninitialised:
        return []
    evidence = f"the first call made {len(new)} tensors, {some(new)}: an optimiser made before it never sees them, "
    evidence += "and load_state_dict refuses them"
    fix = "Make every layer in __init__ from widths given there, or use nn.LazyLinear and run one batch first."
    title = "Layers are made in forward"
    return [Finding("lazy-layers", "error", title, evidence, where_is(after), fix)]
