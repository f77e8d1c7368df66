"""How a token lies on disk: as bfloat16, or as 8-bit integers with a scale of its own."""

import math
import mmap
import sys
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Coding = Literal["bfloat16", "int8"]
_SCALE_BYTES = 4
_MAPPED_BYTES = 1 << 20
_UPPER = int(sys.byteorder == "little")


def row_format(coding: Coding, dim: int) -> tuple[torch.dtype, int]:
    """Give number format and width of a token's row on disk."""
    return (torch.bfloat16, dim) if coding == "bfloat16" else (torch.int8, dim + _SCALE_BYTES)


def to_rows(coding: Coding, tokens: Float[Tensor, "*batch dim"]) -> Tensor:
    """Turn tokens into rows.

    int8: `round(x / s)` with `s = max|x| / 127` of each token, followed by the four bytes of `s` as float32; the
    error of a value is at most `s / 2`.
    """
    if coding == "bfloat16":
        return tokens.to(torch.bfloat16)
    scale = tokens.abs().amax(-1, keepdim=True).float() / 127
    values = (tokens / scale.clamp_min(torch.finfo(torch.float32).tiny)).round().to(torch.int8)
    return torch.cat([values, scale.contiguous().view(torch.int8)], -1)


def from_rows(coding: Coding, rows: Tensor, out: Float[Tensor, "*batch dim"]) -> None:
    """Turn rows into tokens, written into `out`, which is zero.

    A bfloat16 is the upper half of a float32. The halves are copied by NumPy, on one thread: hundreds of small copies
    by torch took 3 times as long on one thread of two busy cores, and 15 times on two, where each waits for both.
    """
    if coding == "bfloat16":
        halves = out.numpy().view(np.int16)
        halves[..., _UPPER::2] = rows.view(torch.int16).numpy()
        return
    scale = rows[..., -_SCALE_BYTES:].contiguous().view(torch.float32)
    np.multiply(rows[..., :-_SCALE_BYTES].numpy(), scale.numpy(), out=out.numpy(), dtype=np.float32)


def zeros(*shape: int) -> Tensor:
    """Make a float32 tensor of zeros; a large one is mapped, so that what is freed goes back to the system at once."""
    size = math.prod(shape) * 4
    if size < _MAPPED_BYTES:
        return torch.zeros(*shape)
    return torch.frombuffer(mmap.mmap(-1, size), dtype=torch.float32, count=size // 4).view(*shape)
