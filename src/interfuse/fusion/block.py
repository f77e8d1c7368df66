"""Block-superdiagonal Tucker fusion: chunks of both modalities meet, each through a core of its own."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.errors import ConfigError
from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean, power_normalise, unit_linear


@dataclass(frozen=True)
class BlockConfig(FusionConfig):
    """Settings of `BlockFusion`."""

    hidden: int = 1600
    """Width that each modality is projected to, all chunks together."""
    chunks: int = 20
    """Chunks, the blocks on the core's superdiagonal; must divide hidden."""
    rank: int = 15
    """Rank of each slice of a block."""
    eps: float = 0.01
    """Added under the root and in the norm, so that no gradient grows more than 1/eps times; above 0."""

    def __post_init__(self) -> None:
        """Refuse chunks that do not divide the width, and an eps that bounds nothing."""
        super().__post_init__()
        at_least("block", 1, hidden=self.hidden, chunks=self.chunks, rank=self.rank)
        at_least("block", 1e-12, eps=self.eps)
        if self.hidden % self.chunks:
            raise ConfigError(
                f"block: hidden must be a multiple of chunks, got hidden={self.hidden}, chunks={self.chunks}. "
                f"Try hidden={-(-self.hidden // self.chunks) * self.chunks}."
            )


@FUSIONS.register(
    "block",
    config=BlockConfig,
    reference="https://arxiv.org/abs/1902.00038",
    family="bilinear",
    good_for="the most expressive of the factorised bilinear maps at a given size, by its authors' account",
    oracle="block.bootstrap Block",
)
class BlockFusion(FusionMechanism):
    """Multiply chunk by chunk through a block-superdiagonal core tensor (BLOCK).

    `ṽ = W_v v`, `t̃ = W_t t` with biases, cut into chunks; `z_c = Σ_r (M_{c,r} ṽ_c) ⊙ (N_{c,r} t̃_c)`; each chunk has its
    signed root `s = z / √(|z| + eps)` and norm `s / √(mean(s²) + eps)`; `fused = W [ẑ_1; …; ẑ_C] + b`; `v`, `t` the
    masked means.

    Raises:
        ConfigError: chunks does not divide hidden.

    Reference:
        Ben-Younes et al. 2019, https://arxiv.org/abs/1902.00038, its equation 4 with slices of bounded rank; sizes, and
        root and norm of each chunk, as in the authors' code. Ours pools tokens first, bounds the gradient of root and
        norm (theirs are eps → 0), scales each norm by √(hidden / chunks), and has no biases inside the core.
    """

    pools = True

    def __init__(self, config: BlockConfig) -> None:
        """Make both projections, the factors of every block and the last map."""
        super().__init__(config)
        self.chunks, self.rank, self.eps = config.chunks, config.rank, config.eps
        self.image, self.text = (unit_linear(dim, config.hidden) for dim in (config.image_dim, config.text_dim))
        size = config.hidden // config.chunks
        share = config.rank**-0.25 * size**-0.5
        self.image_core = nn.Parameter(torch.randn(config.chunks, size, config.rank * size) * share)
        self.text_core = nn.Parameter(torch.randn(config.chunks, size, config.rank * size) * share)
        self.project = unit_linear(config.hidden, config.fused_dim)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, project, multiply chunk by chunk, normalise each chunk and map them together."""
        v = self.image(masked_mean(*image)).unflatten(1, (self.chunks, -1))
        t = self.text(masked_mean(*text)).unflatten(1, (self.chunks, -1))
        products = torch.einsum("bci,cio->bco", v, self.image_core) * torch.einsum("bci,cio->bco", t, self.text_core)
        pooled = products.unflatten(2, (self.rank, -1)).sum(2)  # (batch, chunks, hidden / chunks)
        return Fused(self.project(power_normalise(pooled, self.eps).flatten(1)))
