"""The Perceiver resampler of Flamingo: latents read the tokens and themselves, layer after layer."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import Attention, FeedForward


@dataclass(frozen=True)
class ResamplerConfig(LayeredConfig):
    """Settings of `ResamplerFusion`."""

    num_latents: int = 8
    """Learned latents; the paper has 64."""
    num_layers: int = 2
    """Layers; the paper has six."""

    def __post_init__(self) -> None:
        """Refuse no latents."""
        super().__post_init__()
        at_least("resampler", 1, num_latents=self.num_latents)


class ResamplerLayer(nn.Module):
    """`Z += Att(LN Z → [LN X; LN Z])`, `Z += FF(LN Z)`: the latents stand among the keys and values too."""

    def __init__(self, config: ResamplerConfig) -> None:
        """Make the attention, the feed-forward network and the norms of tokens and latents."""
        super().__init__()
        width = config.fused_dim
        self.token_norm, self.latent_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, config.num_heads)
        self.forward_norm, self.feed_forward = nn.LayerNorm(width), FeedForward(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        latents: Float[Tensor, "batch latents fused_dim"],
        tokens: Float[Tensor, "batch tokens fused_dim"],
        mask: Bool[Tensor, "batch tokens_and_latents"],
    ) -> Float[Tensor, "batch latents fused_dim"]:
        """Update the latents by the tokens and by each other."""
        normed = self.latent_norm(latents)
        memory = torch.cat([self.token_norm(tokens), normed], 1)
        latents = latents + self.dropout(self.attention(normed, memory, mask))
        updated: Tensor = latents + self.dropout(self.feed_forward(self.forward_norm(latents)))
        return updated


@FUSIONS.register(
    "resampler",
    config=ResamplerConfig,
    reference="https://arxiv.org/abs/2204.14198",
    family="latent",
    good_for="many tokens into a fixed few, read again in every layer",
    oracle="transformers IdeficsPerceiverResampler",
)
class ResamplerFusion(FusionMechanism):
    """Let learned latents read all tokens of both modalities together with themselves, in every layer.

    `X = [W_v V + e_v; W_t T + e_t]`; per layer `Z += Att(LN Z → [LN X; LN Z])`, `Z += FF(LN Z)`;
    fused = `W mean(LN Z) + b`.

    Reference:
        The resampler of Alayrac et al. 2022, https://arxiv.org/abs/2204.14198, figure 5. Ours resamples both
        modalities together, uses GELU and biases, and averages the latents.
    """

    stacks = ("layers",)

    def __init__(self, config: ResamplerConfig) -> None:
        """Make the projections, type embeddings, latents, layers, last norm and map."""
        super().__init__(config)
        width = config.fused_dim
        self.image, self.text = nn.Linear(config.image_dim, width), nn.Linear(config.text_dim, width)
        self.types = nn.Parameter(torch.randn(2, width) * 0.02)
        self.latents = nn.Parameter(torch.randn(config.num_latents, width))
        self.layers = nn.ModuleList(ResamplerLayer(config) for _ in range(config.num_layers))
        self.norm, self.project = nn.LayerNorm(width), nn.Linear(width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Project, let the latents read, average them."""
        merged = torch.cat([self.image(image.tokens) + self.types[0], self.text(text.tokens) + self.types[1]], 1)
        latents = self.latents.expand(merged.shape[0], -1, -1)
        mask = torch.cat([image.mask, text.mask, image.mask.new_ones(latents.shape[:2])], 1)
        for layer in self.layers:
            latents = layer(latents, merged, mask)
        return Fused(self.project(self.norm(latents).mean(1)))
