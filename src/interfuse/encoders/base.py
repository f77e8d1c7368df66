"""What an encoder is: pictures or texts in, tokens out, and a signature that changes when the tokens would."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from interfuse.core.tokens import Tokens

Dtype = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class PreparedTexts:
    """Token numbers of texts, and how many texts were cut at the encoder's limit."""

    ids: list[list[int]]
    cut: int


@runtime_checkable
class ImageEncoder(Protocol):
    """Pictures to grid tokens; frozen, in eval mode."""

    name: str
    dim: int
    grid: tuple[int, int] | None
    signature: Mapping[str, Any]
    """Plain JSON values: name, weights' hash, preprocessing, dtype."""

    def prepare(self, picture: Image.Image) -> Float[Tensor, "3 height width"]:
        """Resize and normalise one RGB picture; nothing is cropped away."""

    def encode(self, pictures: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch tokens dim"]:
        """Encode a batch; tokens row by row of the grid, float32."""


@runtime_checkable
class TextEncoder(Protocol):
    """Texts to token states; frozen, in eval mode."""

    name: str
    dim: int
    max_length: int
    """Tokens that a text is cut at, special ones included."""
    signature: Mapping[str, Any]

    def prepare(self, texts: Sequence[str]) -> PreparedTexts:
        """Split texts into token numbers."""

    def encode(self, ids: list[list[int]]) -> Tokens:
        """Encode a batch of token numbers; every state is kept, special tokens too."""


def resolve_dtype(dtype: Dtype, device: str) -> Literal["float32", "bfloat16"]:
    """Choose bfloat16 autocast where the processor multiplies it natively.

    On such CPUs the packaged encoders run 2 to 4 times faster; the cosine similarity of a token to its float32 form
    is 0.999 (`benchmarks/encoder_speed.py`).
    """
    if dtype != "auto":
        return dtype
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if device == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported() else "float32"


def autocast(dtype: str, device: str) -> AbstractContextManager[Any]:
    """Run a block in the chosen number format."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=dtype == "bfloat16")


@lru_cache(maxsize=64)
def hash_files(paths: tuple[Path, ...]) -> str:
    """Hash the weights' files, once a process."""
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        with path.open("rb") as handle:
            while chunk := handle.read(1 << 22):
                digest.update(chunk)
    return digest.hexdigest()


def pad(rows: list[list[int]], value: int) -> tuple[Tensor, Tensor]:
    """Pad token numbers to the longest; give them and their mask."""
    width = max(1, max(len(row) for row in rows))
    ids = torch.full((len(rows), width), value, dtype=torch.int64)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row, dtype=torch.int64)
        mask[place, : len(row)] = True
    return ids, mask
