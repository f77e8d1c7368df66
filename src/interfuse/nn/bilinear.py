"""Pieces of bilinear pooling: the outer product and its size, the signed root and the norm after it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.errors import ConfigError

LARGEST_WEIGHT = 2**28
"""Weights that one map of an outer product may have: 1 GiB in float32, 4 GiB while Adam trains them."""


def unit_linear(dim: int, out_dim: int, gain: float = 1.0, bias: bool = True) -> nn.Linear:
    """Make a linear map that turns unit variance into variance gain² at first: weights N(0, gain² / dim), bias 0.

    A product of two maps of PyTorch's default (variance 1/3 each) shrinks nine times, a chain of products to nothing.
    """
    linear = nn.Linear(dim, out_dim, bias)
    nn.init.normal_(linear.weight, std=gain * dim**-0.5)
    if bias:
        nn.init.zeros_(linear.bias)
    return linear


def outer(v: Float[Tensor, "batch rows"], t: Float[Tensor, "batch columns"]) -> Float[Tensor, "batch products"]:
    """Multiply every channel of one vector by every channel of the other, row-major."""
    return (v.unsqueeze(2) * t.unsqueeze(1)).flatten(1)


def check_outer(owner: str, rows: int, columns: int, fused_dim: int) -> None:
    """Refuse an outer product whose linear map would not fit, with the figure.

    Raises:
        ConfigError: the map would have more than `LARGEST_WEIGHT` weights.
    """
    weights = rows * columns * fused_dim
    if weights > LARGEST_WEIGHT:
        gib = weights * 4 / 2**30
        raise ConfigError(
            f"{owner}: {rows} × {columns} products mapped to fused_dim={fused_dim} are {weights:,} weights: "
            f"{gib:.1f} GiB in float32, {4 * gib:.1f} GiB while Adam trains them; at most {LARGEST_WEIGHT:,} are made. "
            "Try hidden=64, or low_rank, which never makes the product."
        )


def signed_sqrt(x: Float[Tensor, "*axes"], eps: float) -> Float[Tensor, "*axes"]:
    """Take the root of the size and keep the sign, smoothly: `x / √(|x| + eps)`.

    The slope is largest at zero, where it is 1/√eps; that of `sign(x) √|x|` is infinite there.
    """
    return x / (x.abs() + eps).sqrt()


def unit_rms(x: Float[Tensor, "*axes dim"], eps: float) -> Float[Tensor, "*axes dim"]:
    """Scale each vector to a root mean square of 1, or less where it is small: `x / √(mean(x²) + eps)`.

    This is the ℓ2 normalisation times √dim, so that what follows it is given channels of unit size.
    """
    return x / (x.square().mean(-1, keepdim=True) + eps).sqrt()


def power_normalise(x: Float[Tensor, "*axes dim"], eps: float) -> Float[Tensor, "*axes dim"]:
    """Take the signed root, then normalise; no direction is amplified by more than 1/eps, at zero or elsewhere.

    As eps goes to 0: `√dim · s / ‖s‖` with `s = sign(x) √|x|`, whose gradient is infinite at zero.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return unit_rms(signed_sqrt(wide, eps), eps).to(x.dtype)
