"""GLIP's fusion: one similarity matrix, read along its rows and along its columns."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import AttentionWeights, TwoStreams


@dataclass(frozen=True)
class BidirectionalConfig(LayeredConfig):
    """Settings of `BidirectionalFusion`."""

    layer_scale: float = 1.0
    """First value of the learned scale of what a layer adds; published detectors start at 1e-4."""


class BidirectionalLayer(nn.Module):
    """One shared similarity of all pairs, softmax over text for the image and over image for the text."""

    def __init__(self, config: BidirectionalConfig) -> None:
        """Make the norms, the query, value and output maps of each stream, and the scales."""
        super().__init__()
        width = config.fused_dim
        self.heads = config.num_heads
        self.image_norm, self.text_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.image_query, self.text_query = nn.Linear(width, width), nn.Linear(width, width)
        self.image_value, self.text_value = nn.Linear(width, width), nn.Linear(width, width)
        self.image_out, self.text_out = nn.Linear(width, width), nn.Linear(width, width)
        self.image_scale = nn.Parameter(torch.full((width,), config.layer_scale))
        self.text_scale = nn.Parameter(torch.full((width,), config.layer_scale))
        self.weigh, self.dropout = AttentionWeights(), nn.Dropout(config.dropout)

    def forward(self, image: Tokens, text: Tokens) -> tuple[Tokens, Tokens]:
        """Update both streams from the same similarities."""
        v, t = self.image_norm(image.tokens), self.text_norm(text.tokens)
        image_query, image_value, text_query, text_value = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.image_query, v), (self.image_value, v), (self.text_query, t), (self.text_value, t))
        )
        similarity = image_query @ text_query.transpose(-2, -1) * image_query.shape[-1] ** -0.5
        to_image = self.weigh(similarity, text.mask[:, None, None, :]).to(v.dtype) @ text_value
        to_text = self.weigh(similarity.mT, image.mask[:, None, None, :]).to(t.dtype) @ image_value
        new_image = v + self.image_scale * self.dropout(self.image_out(to_image.transpose(1, 2).flatten(2)))
        new_text = t + self.text_scale * self.dropout(self.text_out(to_text.transpose(1, 2).flatten(2)))
        return Tokens(new_image, image.mask), Tokens(new_text, text.mask)


@FUSIONS.register(
    "bidirectional",
    config=BidirectionalConfig,
    reference="https://arxiv.org/abs/2112.03857",
    family="cross-attention",
    good_for="grounding words in regions with one similarity for both directions: half the scores of co-attention",
    oracle="transformers GroundingDinoFusionLayer",
)
class BidirectionalFusion(FusionMechanism):
    """Compare every image token with every text token once; each side takes its mixture of the other's values.

    Per layer, with `V̂ = LN V`, `T̂ = LN T`, per head: `S = (V̂ Q_v)(T̂ Q_t)ᵀ / √head_dim`;
    `V = V̂ + γ_v ⊙ W_v softmax(S) T̂ U_t`, `T = T̂ + γ_t ⊙ W_t softmax(Sᵀ) V̂ U_v`; fused = linear map of [mean V; mean T].

    Shape:
        fused.image (batch, image_tokens, fused_dim), fused.text (batch, text_tokens, fused_dim).

    Reference:
        The deep fusion of Li et al. 2022, https://arxiv.org/abs/2112.03857, equations 4 to 6, with the norms and
        scales of Grounding DINO, https://arxiv.org/abs/2303.05499. Both query maps keep their bias: the softmax of the
        other direction sees it.
    """

    cross_attends = True
    stacks = ("layers",)

    def __init__(self, config: BidirectionalConfig) -> None:
        """Make the layers between the streams."""
        super().__init__(config)
        layers = (BidirectionalLayer(config) for _ in range(config.num_layers))
        self.streams = TwoStreams(config.image_dim, config.text_dim, config.fused_dim, layers)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Run the layers."""
        fused: Fused = self.streams(image, text)
        return fused
