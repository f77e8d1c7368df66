"""A module made ready for examination: how to call it, what it is given, what it gave."""

import contextlib
import copy
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from interfuse.doctor.outputs import Labels, Leaves, change, label, leaves, visible

Call = Callable[..., Any]
"""`(module, image, text, image_mask, text_mask) -> output`; masks are (batch, tokens), True = real, never None."""
MODALITIES = ("image", "text")
TOKENS = ("image", "text", "merged")
"""Kinds of axis that run over tokens."""


class Inputs(NamedTuple):
    """One batch, always as tokens with masks; a call hands on what the module takes."""

    image: Tensor
    text: Tensor
    image_mask: Tensor
    text_mask: Tensor

    def to(self, dtype: torch.dtype) -> "Inputs":
        """Change the dtype of the values."""
        return Inputs(self.image.to(dtype), self.text.to(dtype), self.image_mask, self.text_mask)

    def rows(self, rows: slice | Tensor) -> "Inputs":
        """Take some rows."""
        return Inputs(*(value[rows] for value in self))

    def values(self, modality: str) -> Tensor:
        """Take the values of one modality."""
        return self.image if modality == "image" else self.text

    def mask(self, modality: str) -> Tensor:
        """Take the mask of one modality."""
        return self.image_mask if modality == "image" else self.text_mask

    def having(self, modality: str, values: Tensor | None = None, mask: Tensor | None = None) -> "Inputs":
        """Put other values or another mask in one modality's place."""
        changes = {modality: values, f"{modality}_mask": mask}
        return self._replace(**{name: value for name, value in changes.items() if value is not None})


@dataclass(frozen=True)
class Sizes:
    """Rows and tokens of a batch; distinct primes, so that no axis passes for another."""

    batch: int = 3
    image: int = 5
    text: int = 7


@dataclass(frozen=True)
class Subject:
    """A module in eval mode, and all that a promise needs to know of it."""

    module: nn.Module
    call: Call
    image_dim: int
    text_dim: int
    masks: frozenset[str] = frozenset(MODALITIES)
    """Modalities whose mask the module takes."""
    tokens: frozenset[str] = frozenset(MODALITIES)
    """Modalities given as tokens; the others are pooled, one token a row."""
    maps: frozenset[str] = frozenset()
    """Modalities given as a map (batch, dim, height, width), which has no padding."""
    modalities: frozenset[str] = frozenset(MODALITIES)
    """Modalities that the output is meant to depend on."""
    zero_gates: tuple[str, ...] = ()
    """Parameters (last part of the name) declared to start at zero."""
    sizes: Sizes = Sizes()
    varying: frozenset[str] = frozenset(MODALITIES)
    """Modalities whose number of tokens may vary."""
    equal: bool = False
    """Whether only equal numbers of tokens work."""
    seeded: bool = False
    """Whether every call starts from the same seed, of PyTorch, NumPy and Python, since the module draws in eval."""
    remake: Callable[[], nn.Module] | None = None
    """Makes the module again from its settings."""
    dtype: torch.dtype = torch.float32
    """The module's own dtype."""
    exact: torch.dtype = torch.float64
    """The dtype that numbers are compared in."""
    initial: nn.Module | None = None
    """The module as it came, where `module` has its zero parameters opened; gradients are taken of this one."""
    _labels: dict[str, Labels] = field(default_factory=dict, repr=False, compare=False)

    @property
    def device(self) -> torch.device:
        """Where the module's parameters lie."""
        return device_of(self.module)

    @property
    def tolerance(self) -> float:
        """How far apart two right answers in the exact dtype may lie."""
        return 1e-7 if self.exact == torch.float64 else 1e-4

    @property
    def rounding(self) -> float:
        """How far apart two equal sums may lie that a kernel adds up in another order."""
        return 1e-12 if self.exact == torch.float64 else 1e-6

    def run(self, inputs: Inputs, module: nn.Module | None = None) -> Leaves:
        """Call the module, or a variant of it, on copies of the inputs, and name its float outputs."""
        inputs = Inputs(*(value.clone() for value in inputs))
        if self.seeded:
            seed_all(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return leaves(self.call(self.module if module is None else module, *inputs))

    def look(self, inputs: Inputs, module: nn.Module | None = None) -> Leaves:
        """Call without gradient."""
        with torch.no_grad():
            return self.run(inputs, module)

    def inputs(self, sizes: Sizes | None = None, seed: int = 1, full: bool = False) -> Inputs:
        """Draw a batch whose rows have unequal length; the first is full."""
        sizes = self.sizes if sizes is None else sizes
        draw = torch.Generator().manual_seed(seed)
        batch: dict[str, Tensor] = {}
        for name, count, dim in (("image", sizes.image, self.image_dim), ("text", sizes.text, self.text_dim)):
            count = count if name in self.tokens | self.maps else 1
            values = torch.randn(sizes.batch, count, dim, generator=draw, dtype=self.exact)
            step = 1 if name == "image" or self.equal else 2
            short = torch.zeros(sizes.batch) if full or name in self.maps else step * (torch.arange(sizes.batch) % 3)
            mask = torch.arange(count) < (count - short).clamp_min(1)[:, None]
            batch |= {name: values.to(self.device), f"{name}_mask": mask.to(self.device)}
        return Inputs(**batch)

    def other_sizes(self) -> Sizes:
        """Choose a batch of another size in every axis that may vary."""
        image = self.sizes.image - ("image" in self.varying)
        text = self.sizes.text + 2 * ("text" in self.varying)
        return Sizes(self.sizes.batch - 1, image, image if self.equal else text)

    def is_layer(self) -> bool:
        """Return whether it gives sequences of tokens alone, and no vector a row: a layer of some model."""
        return all(any(mark and mark.split(":")[0] in TOKENS for mark in marks) for marks in self.labels().values())

    def labels(self) -> dict[str, Labels]:
        """Return what the axes of every output are; an output without a batch axis is left out."""
        if not self._labels:
            self._labels.update(self._find_labels())
        return self._labels

    def _find_labels(self) -> dict[str, Labels]:
        other = self.other_sizes()
        here, there = self.look(self.inputs(full=True)), self.look(self.inputs(other, full=True))
        all_labels = {
            name: label(leaf, there[name], self._counts(self.sizes), self._counts(other))
            for name, leaf in here.items()
            if name in there
        }
        all_labels = {name: labels for name, labels in all_labels.items() if "batch" in labels}
        known = {name: labels for name, labels in all_labels.items() if "loose" not in labels}
        all_labels = known or all_labels  # what changes its size in no known way cannot be compared
        for name, labels in all_labels.items():
            for axis, mark in enumerate(labels):
                if mark and ":" in mark:
                    token_mark = self._place(here[name], name, axis, mark)
                    all_labels[name] = (*all_labels[name][:axis], token_mark, *all_labels[name][axis + 1 :])
        return all_labels

    def _counts(self, sizes: Sizes) -> tuple[int, int, int]:
        image = sizes.image if "image" in self.tokens | self.maps else 1
        return sizes.batch, image, sizes.text if "text" in self.tokens else 1

    def _place(self, leaf: Tensor, name: str, axis: int, mark: str) -> str:
        """Find where tokens lie on an axis that has more than one kind: a token moves its own place most."""
        kind, own, *_ = mark.split(":")
        spots: dict[str, int] = {}
        for modality in MODALITIES if kind == "merged" else (kind,):
            inputs = self.inputs(full=True)
            values = inputs.values(modality).clone()
            values[:, 0] = values[:, 0].flip(-1) * 3
            shift = (self.look(inputs.having(modality, values))[name] - leaf).abs()
            spots[modality] = int(shift.movedim(axis, 0).flatten(1).sum(1).argmax())
        first, front = min(spots, key=lambda m: spots[m]), min(int(own), *spots.values())
        return f"merged:{front}:{first}" if kind == "merged" else f"{kind}:{front}"

    def compare(self, first: Leaves, second: Leaves, inputs: Inputs, other: Inputs | None = None) -> list[float]:
        """Measure, row by row, how far the values at real tokens lie apart."""
        other = inputs if other is None else other
        gaps = [0.0] * len(inputs.image)
        for name, labels in self.labels().items():
            if name not in first or name not in second:
                return [float("inf")] * len(gaps)
            if len(first[name].shape) != len(labels) or len(second[name].shape) != len(labels):
                return [float("inf")] * len(gaps)
            ours = visible(first[name], labels, inputs.image_mask, inputs.text_mask)
            theirs = visible(second[name], labels, other.image_mask, other.text_mask)
            gaps = [max(gap, change(a, b)) for gap, a, b in zip(gaps, ours, theirs, strict=True)]
        return gaps

    def variant(self, **changes: Any) -> "Subject":
        """Change some facts, keeping the others."""
        return replace(self, _labels={}, **changes)


def device_of(module: nn.Module) -> torch.device:
    """Find where a module's first parameter or buffer lies."""
    for tensor in (*module.parameters(), *module.buffers()):
        return tensor.device
    return torch.device("cpu")


def dtype_of(module: nn.Module) -> torch.dtype:
    """Find the dtype of a module's first float parameter or buffer."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.float32


def duplicate(module: nn.Module) -> nn.Module:
    """Copy a module so that the original is never touched; what cannot be copied, such as a lock, is shared."""
    try:
        return copy.deepcopy(module)
    except Exception:
        memo: dict[int, Any] = {}
        for part in module.modules():
            for name, value in vars(part).items():
                if not name.startswith("_") or name not in vars(nn.Module()):
                    _remember(value, memo)
        return copy.deepcopy(module, memo)


def _remember(value: Any, memo: dict[int, Any]) -> None:
    """Note what stands in a copy for a value that cannot be copied: a tensor's own values, else the value itself."""
    if isinstance(value, Tensor):
        if not value.is_leaf:
            memo[id(value)] = value.detach().clone()
        return
    if isinstance(value, list | tuple):
        for child in value:
            _remember(child, memo)
        return
    if isinstance(value, dict):
        for child in value.values():
            _remember(child, memo)
        return
    try:
        copy.deepcopy(value)
    except Exception:
        memo[id(value)] = value


def opened(module: nn.Module) -> nn.Module:
    """Copy a module and move every parameter that is all zeros, so that no closed gate hides what lies behind it."""
    twin = duplicate(module)
    draw = torch.Generator().manual_seed(4)
    for parameter in twin.parameters():
        if parameter.is_floating_point() and parameter.numel() and not parameter.detach().any():
            noise = 0.3 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
            parameter.data = noise.to(parameter)
    return twin


def seed_all(seed: int) -> None:
    """Seed the streams of PyTorch, NumPy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


@contextlib.contextmanager
def untouched_randomness(seed: int = 0) -> Iterator[None]:
    """Seed every stream inside, and restore the state that was before."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        seed_all(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
