"""Hadamard product of two low-rank projections."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean


@dataclass(frozen=True)
class ProductConfig(FusionConfig):
    """Settings of `ProductFusion`."""

    hidden: int | None = None
    """Width of the product, the rank of the bilinear map; none: fused_dim."""

    def __post_init__(self) -> None:
        """Refuse a width below 1."""
        super().__post_init__()
        at_least("product", 1, hidden=self.fused_dim if self.hidden is None else self.hidden)


@FUSIONS.register(
    "product",
    config=ProductConfig,
    reference="https://arxiv.org/abs/1610.04325",
    family="bilinear",
    good_for="a cheap true interaction of pooled vectors; strong where attention has no tokens to choose from",
    oracle="block.bootstrap MLB",
)
class ProductFusion(FusionMechanism):
    """Multiply the projected image and text channel by channel (MLB).

    `fused = W (tanh(W_v v) ⊙ tanh(W_t t))`, biases understood, `v`, `t` the masked means.

    Reference:
        Kim et al. 2017, https://arxiv.org/abs/1610.04325, equation 8. Ours pools tokens first.
    """

    pools = True

    def __init__(self, config: ProductConfig) -> None:
        """Make the three linear maps."""
        super().__init__(config)
        hidden = config.hidden or config.fused_dim
        self.image = nn.Linear(config.image_dim, hidden)
        self.text = nn.Linear(config.text_dim, hidden)
        self.project = nn.Linear(hidden, config.fused_dim)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, project, multiply and map."""
        product = torch.tanh(self.image(masked_mean(*image))) * torch.tanh(self.text(masked_mean(*text)))
        return Fused(self.project(product))
