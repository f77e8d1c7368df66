"""Gated multimodal unit: a learned gate blends image and text, channel by channel."""

import torch
from torch import nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean


@FUSIONS.register(
    "gmu",
    config=FusionConfig,
    reference="https://arxiv.org/abs/1702.01992",
    family="gated",
    good_for="modalities of uneven worth from row to row, where the gate may say which one to believe",
    oracle="formula; torch.lerp",
)
class GmuFusion(FusionMechanism):
    """Blend the pooled image and text with a learned gate, channel by channel.

    `fused = z ⊙ tanh(W_v v) + (1 - z) ⊙ tanh(W_t t)`, `z = σ(W_z [v; t])`, biases understood, `v`, `t` the
    masked means.

    Reference:
        Arevalo et al. 2017, https://arxiv.org/abs/1702.01992, the bimodal unit. Ours pools tokens first
        and has biases.
    """

    pools = True
    gates = ("gate",)

    def __init__(self, config: FusionConfig) -> None:
        """Make a map for each modality, and the gate of both."""
        super().__init__(config)
        self.image = nn.Linear(config.image_dim, config.fused_dim)
        self.text = nn.Linear(config.text_dim, config.fused_dim)
        self.gate = nn.Linear(config.image_dim + config.text_dim, config.fused_dim)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, squash, blend."""
        v, t = masked_mean(*image), masked_mean(*text)
        z = torch.sigmoid(self.gate(torch.cat([v, t], -1)))
        return Fused(z * torch.tanh(self.image(v)) + (1 - z) * torch.tanh(self.text(t)))
