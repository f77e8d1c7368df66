"""What an encoder is: pictures or texts in, tokens out, and a signature that changes when the tokens would."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from interfuse.core.errors import ConfigError, unknown
from interfuse.core.tokens import Tokens


@dataclass(frozen=True)
class PreparedTexts:
    """Token ids of texts, and how many texts were cut at the encoder's limit."""

    ids: list[list[int]]
    cut: int


@runtime_checkable
class ImageEncoder(Protocol):
    """Pictures to grid tokens; frozen, in eval mode."""

    name: str
    dim: int
    grid: tuple[int, int] | None
    device: str
    """Where it runs."""

    @property
    def signature(self) -> Mapping[str, Any]:
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

    @property
    def signature(self) -> Mapping[str, Any]:
        """Plain JSON values: name, weights' hash, preprocessing, dtype."""

    def prepare(self, texts: Sequence[str]) -> PreparedTexts:
        """Tokenize texts into token ids."""

    def encode(self, ids: list[list[int]]) -> Tokens:
        """Encode a batch of token ids; every state is kept, special tokens too."""


def resolve_dtype(dtype: str, device: str) -> Literal["float32", "bfloat16"]:
    """Choose bfloat16 autocast where the processor multiplies it natively, else float32.

    Support for AVX-512 alone is not enough: without its bfloat16 instructions the products are emulated. With
    them the packaged encoders were measured 1.6 to 2.8 times as fast as in float32; the mean cosine similarity of a
    token to its float32 form was 0.998 or more (docs/scale.md).

    Raises:
        ConfigError: the dtype is none of those offered.
    """
    if dtype == "float32":
        return "float32"
    if dtype == "bfloat16":
        return "bfloat16"
    if dtype != "auto":
        raise ConfigError(unknown("encoder dtype", dtype, ("auto", "float32", "bfloat16")))
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if device == "cpu" and native else "float32"


def autocast(dtype: str, device: str) -> AbstractContextManager[Any]:
    """Run a block in the chosen dtype (autocast)."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=dtype == "bfloat16")


def to_square(picture: Image.Image, size: int) -> Float[Tensor, "3 height width"]:
    """Resize a picture to a square, bicubic, values 0 to 255; the aspect changes but nothing is cropped away."""
    square = picture.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(square, dtype=np.float32)).permute(2, 0, 1)


def hash_files(paths: Iterable[Path]) -> str:
    """Hash the names and contents of files; an unchanged file is read once a process."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(paths):
        facts = path.stat()
        digest.update(path.name.encode() + b"\0" + _hash_content(path, facts.st_size, facts.st_mtime_ns))
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _hash_content(path: Path, size: int, changed_ns: int) -> bytes:  # noqa: ARG001  (they end a stale answer)
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 22):
            digest.update(chunk)
    return digest.digest()


def pad(rows: list[list[int]], value: int) -> tuple[Tensor, Tensor]:
    """Pad token ids to the longest; return them and their mask."""
    width = max(1, max(len(row) for row in rows))
    ids = torch.full((len(rows), width), value, dtype=torch.int64)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row, dtype=torch.int64)
        mask[place, : len(row)] = True
    return ids, mask
