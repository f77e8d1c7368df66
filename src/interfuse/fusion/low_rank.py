"""Tensor fusion whose weight tensor has low rank, so that the outer product is never made."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean


@dataclass(frozen=True)
class LowRankConfig(FusionConfig):
    """Settings of `LowRankFusion`."""

    rank: int = 4
    """Rank of the weight tensor."""

    def __post_init__(self) -> None:
        """Refuse a rank below 1."""
        super().__post_init__()
        at_least("low_rank", 1, rank=self.rank)


@FUSIONS.register(
    "low_rank",
    config=LowRankConfig,
    reference="https://arxiv.org/abs/1806.00064",
    family="bilinear",
    good_for="what tensor_fusion does, for wide features",
    oracle="TFN contracted with the reconstructed weight; MMSA LMF",
)
class LowRankFusion(FusionMechanism):
    """Multiply low-rank factors of [1; image] and [1; text] and sum over the rank (LMF).

    `fused = Σ_r w_r ([1; v] F_r) ⊙ ([1; t] G_r) + b`, `v`, `t` the masked means: `tensor_fusion` without projection,
    its weight tensor being `W_k = Σ_r w_r F_{r,:,k} ⊗ G_{r,:,k}`.

    Reference:
        Liu et al. 2018, https://arxiv.org/abs/1806.00064, section 3.2; the weights `w_r` and the bias are of its code
        (the paper's have all w_r = 1). Ours pools tokens first and has no embedding networks.
    """

    pools = True

    def __init__(self, config: LowRankConfig) -> None:
        """Make the factors, (rank, 1 + dim, fused_dim), the weights of the rank and the bias."""
        super().__init__(config)
        rank, width = config.rank, config.fused_dim
        image_rows, text_rows = config.image_dim + 1, config.text_dim + 1
        self.image_factor = nn.Parameter(torch.randn(rank, image_rows, width) * image_rows**-0.5)
        self.text_factor = nn.Parameter(torch.randn(rank, text_rows, width) * text_rows**-0.5)
        self.rank_weight = nn.Parameter(torch.full((rank,), rank**-0.5))
        self.bias = nn.Parameter(torch.zeros(width))

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, apply the factors, multiply and sum over the rank."""
        v = factors(masked_mean(*image), self.image_factor)
        t = factors(masked_mean(*text), self.text_factor)
        return Fused(torch.einsum("r,rbk->bk", self.rank_weight, v * t) + self.bias)


def factors(
    x: Float[Tensor, "batch dim"], factor: Float[Tensor, "rank rows fused_dim"]
) -> Float[Tensor, "rank batch fused_dim"]:
    """Multiply [1; x] by the factor of each rank."""
    return torch.einsum("bd,rdk->rbk", nn.functional.pad(x, (1, 0), value=1.0), factor)
