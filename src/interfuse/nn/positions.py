"""Positional encodings: where a token stands in a sentence, or on the grid of a picture."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def sinusoid(places: Float[Tensor, " places"], dim: int) -> Float[Tensor, "places dim"]:
    """Encode positions on a line: `sin(p ω_i), cos(p ω_i)` with `ω_i = 10000^(-2i/dim)`, sines first.

    Reference:
        Vaswani et al. 2017, section 3.5. An odd `dim` leaves its last channel zero.
    """
    half = dim // 2
    rates = torch.exp(torch.arange(half, device=places.device) * (-2 * math.log(10_000.0) / max(dim, 1)))
    angles = places[:, None] * rates[None, :]
    return nn.functional.pad(torch.cat([angles.sin(), angles.cos()], -1), (0, dim - 2 * half))


class Positions(nn.Module):
    """Add sinusoidal encodings times a learned scale: one line for a text, rows and columns for a picture's grid.

    Shape:
        (batch, tokens, dim) -> (batch, tokens, dim).
    """

    def __init__(self, dim: int, grid: tuple[int, int] | None = None) -> None:
        """Make the scale, 0.1 at first; `grid` gives rows and columns of the picture tokens."""
        super().__init__()
        self.dim, self.grid = dim, grid
        self.scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Add the codes to the tokens."""
        count = tokens.shape[1]
        place = torch.arange(count, device=tokens.device)
        if self.grid is None:
            codes = sinusoid(place.float(), self.dim)
        else:
            columns = self.grid[1]
            row = sinusoid((place // columns).float(), self.dim - self.dim // 2)
            column = sinusoid((place % columns).float(), self.dim // 2)
            codes = torch.cat([row, column], -1)
        return tokens + self.scale * codes.to(tokens.dtype)
