"""The words `Tokens` and `Fused`, and the table that the tokens of a batch are collated from."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from interfuse.core.errors import ShapeError


class Tokens(NamedTuple):
    """Variable-length features of one modality; a row whose mask is all False is a missing modality."""

    tokens: Float[Tensor, "batch tokens dim"]
    """Values; anything may stand where the mask is False."""
    mask: Bool[Tensor, "batch tokens"]
    """True = a real token."""


class Fused(NamedTuple):
    """The output of a fusion mechanism."""

    vector: Float[Tensor, "batch fused_dim"]
    """One vector a row, for the head."""
    image: Float[Tensor, "batch image_tokens image_fused_dim"] | None = None
    """Updated image tokens, where the mechanism keeps them."""
    text: Float[Tensor, "batch text_tokens text_fused_dim"] | None = None
    """Updated text tokens, where the mechanism keeps them."""


@runtime_checkable
class TokenTable(Protocol):
    """Tokens of distinct items (pictures or texts), gathered by item number."""

    @property
    def dim(self) -> int:
        """Width of a token."""

    @property
    def grid(self) -> tuple[int, int] | None:
        """Rows and columns of the picture grid when every item has one; else None."""

    def __len__(self) -> int:
        """Count the items."""

    def lengths(self, items: Int64[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
        """Count the tokens of these items; item -1 has none."""

    def gather(self, items: Int64[Tensor, " batch"]) -> Tokens:
        """Collate the tokens of these items, float32, padded to the longest; item -1 is missing (mask all False)."""


@dataclass(frozen=True)
class MemoryTable:
    """A `TokenTable` whose items all lie in memory, padded to one length."""

    tokens: Float[Tensor, "items tokens dim"]
    mask: Bool[Tensor, "items tokens"]
    grid: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Refuse a mask of another size than the tokens."""
        if self.tokens.shape[:2] != self.mask.shape:
            raise ShapeError(
                f"tokens {tuple(self.tokens.shape)} need a mask of shape {tuple(self.tokens.shape[:2])}, "
                f"got {tuple(self.mask.shape)}."
            )

    @property
    def dim(self) -> int:
        """Width of a token."""
        return self.tokens.shape[2]

    def __len__(self) -> int:
        """Count the items."""
        return self.tokens.shape[0]

    def lengths(self, items: Int64[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
        """Count the tokens of these items; item -1 has none."""
        if len(self) == 0:
            return torch.zeros_like(items)
        return self.mask[items.clamp_min(0)].sum(1) * (items >= 0)

    def gather(self, items: Int64[Tensor, " batch"]) -> Tokens:
        """Collate the tokens of these items, float32, padded to the longest; item -1 is missing."""
        if len(self) == 0:
            return Tokens(torch.zeros(len(items), 1, self.dim), torch.zeros(len(items), 1, dtype=torch.bool))
        there = items >= 0
        safe = items.clamp_min(0)
        mask = self.mask[safe] & there.unsqueeze(-1)
        columns = mask.any(0).nonzero()
        width = int(columns.max()) + 1 if len(columns) else 1
        return Tokens(self.tokens[safe, :width].to(torch.float32), mask[:, :width])
