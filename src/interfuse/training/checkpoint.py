"""An epoch checkpoint: one safetensors file with a JSON header, no pickle; it lives as long as its training runs."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from interfuse.core.errors import DataError
from interfuse.core.weights import load_tensors, save_tensors

FORMAT = 1
SUFFIX = ".tmp"
"""Ending of a file that a killed process had not renamed yet."""


@dataclass
class Checkpoint:
    """Where a training's state is kept between epochs, and which training it must be of.

    Writing takes at most `share` of the training's time: after a write that took w seconds the next waits w/share.
    """

    path: Path
    """The file; written to a temporary name, then renamed."""
    identity: Mapping[str, Any]
    """All that decides the numbers: a file of another identity is not used."""
    share: float = 0.05
    """Largest share of the time that writing may take, as a fraction."""
    _next: float = field(default=0.0, repr=False)

    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() >= self._next

    def write(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Write tensors and the plain values beside them, so that a reader sees the old file or the new one."""
        start = time.monotonic()
        header = {"format": FORMAT, "identity": dict(self.identity), "state": dict(state)}
        plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
        metadata = {"interfuse": json.dumps(header)}  # NaN is kept: only we read it
        save_tensors(self.path, plain, metadata)
        now = time.monotonic()
        self._next = now + (now - start) / self.share

    def read(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Read what was written; None where there is nothing, or nothing of this training."""
        if not self.matches():
            return None
        try:
            tensors, metadata = load_tensors(self.path)
        except DataError:
            return None  # damaged: the training starts again
        return {name: value.clone() for name, value in tensors.items()}, json.loads(metadata["interfuse"])["state"]

    def matches(self) -> bool:
        """Whether a readable checkpoint of this very training is there."""
        if not self.path.is_file():
            return False
        try:
            with safe_open(self.path, "pt") as file:
                header = json.loads((file.metadata() or {}).get("interfuse", "{}"))
        except (SafetensorError, OSError, ValueError):
            return False
        identity = json.loads(json.dumps(dict(self.identity)))
        return bool(header.get("format") == FORMAT and header.get("identity") == identity)

    def remove(self) -> None:
        """Remove the checkpoint and what killed writers left beside it; nothing to remove is fine."""
        self.path.unlink(missing_ok=True)
        for path in leftovers(self.path.parent):
            path.unlink(missing_ok=True)


def leftovers(folder: Path) -> list[Path]:
    """Return the temporary files that killed writers left in a folder."""
    return sorted(folder.glob(f".*{SUFFIX}"))


def pack_optimiser(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Return an optimiser's state: its tensors by parameter number and name, and the plain values of its groups."""
    state = optimiser.state_dict()
    tensors = {f"{number}.{name}": value for number, one in state["state"].items() for name, value in one.items()}
    return tensors, [{"lr": group["lr"], "initial_lr": group["initial_lr"]} for group in state["param_groups"]]


def unpack_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], groups: list[dict[str, Any]]
) -> None:
    """Restore an optimiser's state; the groups themselves are made as at the start."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = value
    own = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": [{**a, **b} for a, b in zip(own, groups, strict=True)]})
    for parameter, moments in optimiser.state.items():  # a moment lies in memory as its parameter does
        for name, value in moments.items():
            if value.shape == parameter.shape and value.stride() != parameter.stride():
                moments[name] = torch.empty_like(parameter).copy_(value)


def take(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors under one prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with a prefix before every name."""
    return {prefix + name: value for name, value in tensors.items()}


def random_states(order: torch.Generator, device: torch.device) -> dict[str, Tensor]:
    """Return the states of every random number generator that training draws from."""
    states = {"random.order": order.get_state(), "random.global": torch.get_rng_state()}
    if device.type == "cuda":
        states["random.cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random(tensors: Mapping[str, Tensor], order: torch.Generator, device: torch.device) -> None:
    """Restore the random number generators."""
    order.set_state(tensors["random.order"])
    torch.set_rng_state(tensors["random.global"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(tensors["random.cuda"], device)


def copy_into(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy stored weights into a network's own memory."""
    network.load_state_dict(dict(tensors))
