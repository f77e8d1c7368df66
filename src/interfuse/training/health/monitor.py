"""Training health: what a few steps of each epoch show of the gradients, updates, attention, gates and modalities."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from interfuse.core.modalities import Modalities
from interfuse.fusion import FusionMechanism
from interfuse.training.health.probes import Probes, modality_use
from interfuse.training.network import Network

EVERY = 100
"""One step in so many is looked at closely."""
LEAST = 2
"""Looks at a training that is shorter than that."""
FIRST, PLACE = 0.1, 0.9
"""Where in its stretch of the training a look falls, a fraction: the first is early, when steps are longest; the last
is near the end, where a training is judged, and before the learning rate is zero."""


class HealthMonitor:
    """Look closely at one step in `EVERY` of a whole training; `row` sums up what was seen since the last row.

    Of a small table an epoch is a few steps, and most epochs then go unseen: a look costs about a step, so one in each
    would cost far more than the 2 % that watching may. A training of fewer steps is looked at twice.

    Around a step: `begin` before the forward pass, `after_backward` when the gradients stand (before clipping),
    `after_step` when the optimiser has moved the parameters. A step that is not looked at costs nothing.
    It draws no random numbers and changes nothing that training computes.
    """

    def __init__(self, blocks: Mapping[str, nn.Module], steps: int, every: int = EVERY) -> None:
        """Watch these blocks, first to last in the order of the network.

        Args:
            blocks: name to module.
            steps: of the whole training.
            every: one step in so many is looked at.
        """
        self.blocks = dict(blocks)
        stretches = min(max(LEAST, steps // every), steps)
        places = [FIRST if number == 0 < stretches - 1 else PLACE for number in range(stretches)]
        self.looks = {int((number + place) * steps / stretches) for number, place in enumerate(places)}
        self.probes = Probes(self.blocks)
        self.parts = list_parts(self.blocks)
        parameters = {id(p): p for part in self.parts.values() for p in part}
        place = {key: number for number, key in enumerate(parameters)}
        self.parameters = list(parameters.values())
        self.members = torch.zeros(len(self.parts), len(self.parameters))
        for number, part in enumerate(self.parts.values()):
            self.members[number, [place[id(p)] for p in part]] = 1.0
        self.samples: list[dict[str, Any]] = []
        self.steps = 0  # begun; a training that goes on from a checkpoint sets it
        self.before: list[Tensor] | None = None
        self._inputs: tuple[Tensor, ...] | None = None
        self._handle: Any = None

    def begin(self) -> bool:
        """Begin a step; return whether it is looked at."""
        is_sampled = self.steps in self.looks
        self.steps += 1
        if is_sampled:
            self.probes.attach()
            fusion = self.blocks.get("fusion")
            if fusion is not None:
                self._handle = fusion.register_forward_pre_hook(self._keep_inputs)
            self.before = []
        return is_sampled

    def after_backward(self, network: Network | None = None, task: str = "", ogm_ratio: float | None = None) -> None:
        """Measure what the backward pass left; with the network also how far it uses each modality."""
        if self.before is None:
            return
        self.probes.detach()
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.parameters]
        sizes = torch.tensor([p.numel() for p in self.parameters], dtype=torch.float32)
        zeros = self.members @ torch.stack([(g == 0).sum() for g in grads]).float().cpu() / (self.members @ sizes)
        closed = {n for n, block in self.blocks.items() if isinstance(block, FusionMechanism) and block.closed_gates()}
        use = Modalities[float | None](None, None)
        if network is not None and self._inputs is not None:
            use = modality_use(network, self._inputs, task)
        self._inputs = None
        norms = self._norms(grads).tolist()
        self.samples.append(
            {
                "parts": [
                    {"part": part, "gradient_norm": norm, "zeros": None if part.split(".")[0] in closed else zero}
                    for part, norm, zero in zip(self.parts, norms, zeros.tolist(), strict=True)
                ],
                "attention": self.probes.attention_rows(),
                "gates": self.probes.gate_rows(),
                "relus": self.probes.relu_rows(),
                "ogm_ratio": ogm_ratio,
                "image_use": use.image,
                "text_use": use.text,
            }
        )
        self.before = [p.detach().clone() for p in self.parameters]

    def after_step(self) -> None:
        """Measure how far the optimiser moved the parameters, for their size."""
        if self.before is None:
            return
        updates = self._norms([p.detach() - old for p, old in zip(self.parameters, self.before, strict=True)])
        sizes = self._norms(self.before)
        for part, ratio in zip(self.samples[-1]["parts"], (updates / sizes.clamp_min(1e-30)).tolist(), strict=True):
            part["update_ratio"] = ratio
        self.before = None

    def row(self) -> dict[str, Any]:
        """Return the median of every value since the last row, columns of `core.records.HISTORY`; empty if unseen."""
        samples, self.samples = self.samples, []
        columns = {
            name: _medians([sample[name] for sample in samples]) for name in ("parts", "attention", "gates", "relus")
        }
        single = {n: _median([s[n] for s in samples]) for n in ("ogm_ratio", "image_use", "text_use")}
        return {**columns, **single}

    def _norms(self, tensors: list[Tensor]) -> Tensor:
        squares = torch.stack([tensor.norm().float() for tensor in tensors]).cpu().square()
        return (self.members @ squares).sqrt()

    def _keep_inputs(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._inputs = tuple(x.detach() for x in inputs)


def list_parts(blocks: Mapping[str, nn.Module]) -> dict[str, list[nn.Parameter]]:
    """Return the trained parameters of every block, and of every layer of the stacks inside it.

    A stack is a `ModuleList` that the block names in its `stacks`, or a plain `Sequential`, with at least two layers
    that have parameters; what is inside its layers is not listed.
    """
    parts = {name: _trained(block) for name, block in blocks.items()}
    for name, block in blocks.items():
        parts |= _list_layers(name, block, getattr(block, "stacks", ()))
    return {name: parameters for name, parameters in parts.items() if parameters}


def _list_layers(name: str, module: nn.Module, stacks: tuple[str, ...]) -> dict[str, list[nn.Parameter]]:
    listed = isinstance(module, nn.ModuleList) and name.rpartition(".")[2] in stacks
    if listed or type(module) is nn.Sequential:
        layers = {f"{name}.{own}": _trained(layer) for own, layer in module.named_children()}
        layers = {key: parameters for key, parameters in layers.items() if parameters}
        return layers if len(layers) > 1 else {}
    parts: dict[str, list[nn.Parameter]] = {}
    for own, child in module.named_children():
        parts |= _list_layers(f"{name}.{own}", child, stacks)
    return parts


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def _medians(samples: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the median of each value of each named thing over the samples."""
    if not samples:
        return []
    label = next((key for key in ("part", "name") if samples[0] and key in samples[0][0]), None)
    if label is None:
        return []
    ones_by_name: dict[str, list[dict[str, Any]]] = {}
    for sample in samples:
        for one in sample:
            ones_by_name.setdefault(one[label], []).append(one)
    counts = ("keys", "heads", "dead_heads")
    rows = []
    for name, ones in ones_by_name.items():
        row: dict[str, Any] = {label: name}
        for key in (key for key in ones[0] if key != label):
            value = _median([one.get(key) for one in ones])
            row[key] = int(value) if key in counts and value is not None else value
        rows.append(row)
    return rows


def _median(values: Sequence[int | float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if any(value != value for value in known):
        return float("nan")
    return float(statistics.median(known)) if known else None
