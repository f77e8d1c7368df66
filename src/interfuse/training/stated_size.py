"""A network of a stranger's record, made only where the weights beside it can fill it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as hooks

from interfuse.core.design import Design
from interfuse.core.errors import DataError
from interfuse.core.modalities import Modalities
from interfuse.core.settings import to_plain
from interfuse.core.weights import TensorFacts
from interfuse.training.network import ModalitySpec, Network

SPARE_TENSORS, SPARE_VALUES = 256, 1 << 22
"""What a network may hold beyond the tensors of its file: buffers that are made anew, and weights that are shared."""


def make_stated(
    design: Design, specs: Modalities[ModalitySpec], num_labels: int, task: str, facts: TensorFacts
) -> Network:
    """Make the network of a record, once it is sure to be the network of the file beside it.

    It is made without memory first: a record that asks for more layers or wider ones than the file has weights is
    refused before any is made.

    Args:
        design: of the record.
        specs: of both modalities' tokens.
        num_labels: classes of the head.
        task: of the head.
        facts: what the file of the weights holds.

    Raises:
        DataError: the record asks for a network that is not the file's.
        ConfigError: the design cannot work.
    """
    if design.model == "network":  # a linear model has neither layers nor a width of its own
        _check_settings(design, max(facts.values, 1), len(facts.shapes))
    with torch.device("meta"), _counted(len(facts.shapes), facts.values):
        empty = Network(design, _blank(specs.image), _blank(specs.text), num_labels, task)
    stated = {name: tuple(value.shape) for name, value in empty.state_dict().items()}
    for name in [*stated, *facts.shapes]:
        ours, theirs = stated.get(name), facts.shapes.get(name)
        if ours != theirs:
            raise DataError(
                f"run.json and model.safetensors are not of one run: {name} is {_shape(ours)} by the record and "
                f"{_shape(theirs)} in the file. Take both from one place."
            )
    return Network(design, _blank(specs.image), _blank(specs.text), num_labels, task)


def _blank(spec: ModalitySpec) -> ModalitySpec:
    """Return the same widths, on the device that things are made on now."""
    return ModalitySpec(spec.dim, spec.grid, torch.zeros(spec.dim), torch.ones(spec.dim))


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else f"of shape {shape}"


def _check_settings(design: Design, values: int, tensors: int) -> None:
    """Refuse numbers that no file of this size can bear out."""
    plain: dict[str, Any] = {**to_plain(design), **design.settings}
    for name in (*design.settings, "dim", "num_heads", "encoder_layers"):
        limit = tensors if name.endswith(("layers", "blocks")) or name.startswith("num_hops") else values
        if isinstance(plain[name], int | float) and abs(plain[name]) > limit:
            raise DataError(
                f"run.json asks for {name}={plain[name]:,}, and the weights beside it are {values:,} numbers in "
                f"{tensors:,} tensors: they are of another run. Take both from one place."
            )


@contextmanager
def _counted(tensors: int, values: int) -> Iterator[None]:
    """Refuse, while a network is made in this thread, more of it than a file with so much in it can fill."""
    thread, counts = threading.get_ident(), {"tensors": 0, "values": 0}

    def count(_: nn.Module, name: str, value: torch.Tensor | None) -> None:
        if threading.get_ident() != thread or value is None:
            return
        counts["tensors"] += 1
        counts["values"] += value.numel()
        if counts["tensors"] > 2 * tensors + SPARE_TENSORS or counts["values"] > 2 * values + SPARE_VALUES:
            raise DataError(
                f"run.json asks for a network of more than the {tensors:,} tensors ({values:,} numbers) beside it, "
                f"seen at {name}: they are of another run. Take both from one place."
            )

    handles = [
        hooks.register_module_parameter_registration_hook(count),
        hooks.register_module_buffer_registration_hook(count),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
