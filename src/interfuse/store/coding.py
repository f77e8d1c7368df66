"""How a token lies on disk: as bfloat16, or as 8-bit integers with a scale of its own."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

Coding = Literal["bfloat16", "int8"]
_SCALE_BYTES = 4


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
    """Turn rows into tokens, written into `out`."""
    if coding == "bfloat16":
        out.copy_(rows)
        return
    scale = rows[..., -_SCALE_BYTES:].contiguous().view(torch.float32)
    torch.mul(rows[..., :-_SCALE_BYTES], scale, out=out)
