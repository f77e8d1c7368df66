"""Perceiver: a few learned latents read all tokens once, then think among themselves."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, AttentionConfig, FusionMechanism
from interfuse.nn import CrossLayer, TransformerLayer


@dataclass(frozen=True)
class PerceiverConfig(AttentionConfig):
    """Settings of `PerceiverFusion`."""

    num_latents: int = 8
    """Learned latents."""
    num_layers: int = 2
    """Self-attention layers of the latents after they have read."""

    def __post_init__(self) -> None:
        """Refuse no latents."""
        super().__post_init__()
        at_least("perceiver", 1, num_latents=self.num_latents)
        at_least("perceiver", 0, num_layers=self.num_layers)


@FUSIONS.register(
    "perceiver",
    config=PerceiverConfig,
    reference="https://arxiv.org/abs/2103.03206",
    family="latent",
    good_for="very many tokens: the cost grows with their number, not with its square",
    oracle="transformers PerceiverModel",
)
class PerceiverFusion(FusionMechanism):
    """Let learned latents attend to all tokens of both modalities, then to each other.

    `X = [W_v V + e_v; W_t T + e_t]`; `Z += Att(LN Z → LN X)`, `Z += FF(LN Z)`; then k times `Z += Att(LN Z)`,
    `Z += FF(LN Z)`; fused = `W mean(LN Z) + b`.

    Reference:
        Jaegle et al. 2021, https://arxiv.org/abs/2103.03206, one cross-attention and one block. Ours normalises the
        latents before they are averaged.
    """

    stacks = ("layers",)

    def __init__(self, config: PerceiverConfig) -> None:
        """Make the projections, type embeddings, latents, layers, last norm and map."""
        super().__init__(config)
        width, heads = config.fused_dim, config.num_heads
        self.image, self.text = nn.Linear(config.image_dim, width), nn.Linear(config.text_dim, width)
        self.types = nn.Parameter(torch.randn(2, width) * 0.02)
        self.latents = nn.Parameter(torch.randn(config.num_latents, width) * 0.02)
        self.read = CrossLayer(width, heads, config.dropout)
        self.layers = nn.ModuleList(TransformerLayer(width, heads, config.dropout) for _ in range(config.num_layers))
        self.norm, self.project = nn.LayerNorm(width), nn.Linear(width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Project, let the latents read and think, average them."""
        merged = torch.cat([self.image(image.tokens) + self.types[0], self.text(text.tokens) + self.types[1]], 1)
        latents = self.latents.expand(merged.shape[0], -1, -1)
        latents = self.read(latents, merged, torch.cat([image.mask, text.mask], 1))
        mask = image.mask.new_ones(latents.shape[:2])
        for layer in self.layers:
            latents = layer(latents, mask)
        return Fused(self.project(self.norm(latents).mean(1)))
