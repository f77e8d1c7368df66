"""One stream: self-attention over the image and text tokens together."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import Readout, TransformerLayer


@dataclass(frozen=True)
class MergedAttentionConfig(LayeredConfig):
    """Settings of `MergedAttentionFusion`."""

    num_layers: int = 2
    """Transformer layers; two have as many parameters as one layer of cross_attention."""


@FUSIONS.register(
    "merged_attention",
    config=MergedAttentionConfig,
    reference="https://arxiv.org/abs/2102.03334",
    family="self-attention",
    good_for="the fair rival of cross-attention at equal parameters; many data, long budgets",
    oracle="nn.TransformerEncoder",
)
class MergedAttentionFusion(FusionMechanism):
    """Let all tokens of both modalities attend to each other in one Transformer.

    `X = [W_v V + e_v; W_t T + e_t]`; per layer `X += Att(LN X)`, `X += FF(LN X)`; `X = LN X`;
    fused = linear map of [mean of the image part; mean of the text part].

    Shape:
        fused.image (batch, image_tokens, fused_dim), fused.text (batch, text_tokens, fused_dim).

    Reference:
        The one-stream Transformer of VisualBERT, https://arxiv.org/abs/1908.03557, and ViLT, Kim et al. 2021,
        https://arxiv.org/abs/2102.03334. Ours reads out both parts' means instead of a [CLS] token.
    """

    stacks = ("layers",)

    def __init__(self, config: MergedAttentionConfig) -> None:
        """Make the projections, type embeddings, layers, last norm and readout."""
        super().__init__(config)
        width = config.fused_dim
        self.image = nn.Linear(config.image_dim, width)
        self.text = nn.Linear(config.text_dim, width)
        self.types = nn.Parameter(torch.randn(2, width) * 0.02)
        self.layers = nn.ModuleList(
            TransformerLayer(width, config.num_heads, config.dropout) for _ in range(config.num_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.readout = Readout(width, width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Project, merge, run the layers, part the streams, read out."""
        merged = torch.cat([self.image(image.tokens) + self.types[0], self.text(text.tokens) + self.types[1]], 1)
        mask = torch.cat([image.mask, text.mask], 1)
        for layer in self.layers:
            merged = layer(merged, mask)
        new_image, new_text = self.norm(merged).split([image.mask.shape[1], text.mask.shape[1]], 1)
        return Fused(self.readout(Tokens(new_image, image.mask), Tokens(new_text, text.mask)), new_image, new_text)
