"""Tensors on disk: safetensors with the hash of what they hold, so that a flipped bit is an error and no answer."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from interfuse.core.errors import DataError
from interfuse.core.files import write_atomically
from interfuse.core.outside import check_regular_file

DIGEST = "interfuse.digest"
"""Name of the hash in the header of a safetensors file."""


@dataclass(frozen=True)
class TensorFacts:
    """What a file's header says of its tensors, before one is read."""

    shapes: Mapping[str, tuple[int, ...]]
    values: int
    """Numbers in all tensors."""
    size: int
    """Bytes of the file."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors atomically, with their hash in the header.

    Args:
        path: the file.
        tensors: by name, contiguous, on any device.
        metadata: further texts for the header.
    """
    header = {**(metadata or {}), DIGEST: hash_tensors(tensors, metadata or {})}
    write_atomically(path, lambda temporary: save_file(dict(tensors), temporary, metadata=header))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read tensors and the texts of their header; a file that carries a hash must agree with it.

    Raises:
        DataError: the file cannot be read, or was damaged after it was written.
    """
    check_regular_file(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no mapping)
    except (OSError, SafetensorError, ValueError, RuntimeError, OverflowError) as error:
        raise DataError(f"{path} cannot be read as safetensors: {error}.") from error
    digest = metadata.pop(DIGEST, None)
    if digest is not None and digest != hash_tensors(tensors, metadata):
        raise DataError(
            f"{path} is not as it was written: its tensors do not fit the hash in its header. Take it from a copy, or "
            "make it again."
        )
    return tensors, metadata


def read_tensor_facts(path: Path) -> TensorFacts:
    """Read what a safetensors file holds from its header alone.

    Raises:
        DataError: the header cannot be read.
    """
    check_regular_file(path)
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (OSError, SafetensorError, ValueError, RuntimeError, OverflowError) as error:
        raise DataError(f"{path} cannot be read as safetensors: {error}.") from error
    return TensorFacts(shapes, sum(_count(shape) for shape in shapes.values()), os.path.getsize(path))


def hash_tensors(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Hash names, number formats, shapes and values of tensors, and texts that stand beside them."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps(sorted(metadata.items())).encode())
    for name, tensor in sorted(tensors.items()):
        facts: list[Any] = [name, str(tensor.dtype), list(tensor.shape)]
        digest.update(json.dumps(facts).encode())
        values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(values.numpy().data if values.numel() else b"")
    return digest.hexdigest()


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count
