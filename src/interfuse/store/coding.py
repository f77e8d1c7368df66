"""How a token lies on disk: as bfloat16, as float32, or as 8-bit integers with a scale of its own."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interfuse.core.errors import StoreError
from interfuse.settings import Coding

_SCALE_BYTES = 4


def row_format(coding: Coding, dim: int) -> tuple[torch.dtype, int]:
    """Return dtype and width of a token's row on disk."""
    if coding == "int8":
        return torch.int8, dim + _SCALE_BYTES
    return torch.float32 if coding == "float32" else torch.bfloat16, dim


def to_rows(coding: Coding, tokens: Float[Tensor, "*batch dim"]) -> Tensor:
    """Turn tokens into rows.

    int8: `round(x / s)` with `s = max|x| / 127` of each token, followed by the four bytes of `s` as float32; the
    error of a value is at most `s / 2`.
    """
    if coding != "int8":
        return tokens.to(row_format(coding, 1)[0])
    scale = tokens.abs().amax(-1, keepdim=True).float() / 127
    values = (tokens / scale.clamp_min(torch.finfo(torch.float32).tiny)).round().to(torch.int8)
    return torch.cat([values, scale.contiguous().view(torch.int8)], -1)


def item_rows(
    coding: Coding,
    keys: Sequence[str | None],
    tokens: Float[Tensor, "batch tokens dim"],
    mask: Bool[Tensor, "batch tokens"] | None,
) -> Iterator[tuple[str, Tensor]]:
    """Return each item that has a key, and the rows of its real tokens, in memory of their own.

    Raises:
        StoreError: a value of such an item is not finite.
    """
    if mask is not None:
        tokens = tokens.masked_fill(~mask.unsqueeze(-1), 0)
    finite = tokens.isfinite().flatten(1).all(1).tolist()
    rows = to_rows(coding, tokens)
    for place, key in enumerate(keys):
        if key is None:
            continue
        if not finite[place]:
            raise StoreError(f"Item {key}: the encoder gave NaN or infinity. Use another precision for the encoder.")
        yield key, (rows[place] if mask is None else rows[place][mask[place]]).clone()


def from_rows(coding: Coding, rows: Tensor, out: Float[Tensor, "*batch dim"]) -> None:
    """Turn rows into tokens, written into `out`.

    A bfloat16 is the upper half of a float32. On one thread torch copies fastest; on several, hundreds of small copies
    took 15 times as long, since each waits for all threads, and NumPy does it alone.
    """
    if coding == "int8":
        scale = rows[..., -_SCALE_BYTES:].clone(memory_format=torch.contiguous_format).view(torch.float32)
        np.multiply(rows[..., :-_SCALE_BYTES].numpy(), scale.numpy(), out=out.numpy(), dtype=np.float32)
    elif coding == "float32" or torch.get_num_threads() == 1:
        out.copy_(rows)
    else:
        words = out.numpy().view(np.uint32)
        words[...] = rows.view(torch.uint16).numpy()
        np.left_shift(words, 16, out=words)


def as_stored(coding: Coding, tokens: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
    """Return float32 tokens as they come back from a store."""
    out = torch.empty(tokens.shape)
    from_rows(coding, to_rows(coding, tokens), out)
    return out
