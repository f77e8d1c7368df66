"""Each modality gates the other: the light gating that readers of the original advised."""

import torch
from torch import nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean


@FUSIONS.register(
    "glu",
    config=FusionConfig,
    reference="https://arxiv.org/abs/1802.02892",
    family="gated",
    good_for="a light interaction of pooled vectors where one modality tells which channels of the other count",
    oracle="torch.nn.functional.glu",
)
class GluFusion(FusionMechanism):
    """Gate each modality's linear map by the other, both ways.

    `fused = W [σ(G_v v) ⊙ (U_t t); σ(G_t t) ⊙ (U_v v)]`, biases understood, `v`, `t` the masked means.

    Reference:
        The gated linear unit of Dauphin et al. 2017, https://arxiv.org/abs/1612.08083, between modalities as in
        Kiela et al. 2018, https://arxiv.org/abs/1802.02892. Ours gates both ways and maps the pair.
    """

    pools = True
    gates = ("image_gate", "text_gate")

    def __init__(self, config: FusionConfig) -> None:
        """Make a gate and a value for each modality, and the map of the pair."""
        super().__init__(config)
        width = config.fused_dim
        self.image_value, self.image_gate = (
            nn.Linear(config.image_dim, width),
            nn.Linear(config.image_dim, width),
        )
        self.text_value, self.text_gate = nn.Linear(config.text_dim, width), nn.Linear(config.text_dim, width)
        self.project = nn.Linear(2 * width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, gate both ways and map."""
        v, t = masked_mean(*image), masked_mean(*text)
        gated_text = torch.sigmoid(self.image_gate(v)) * self.text_value(t)
        gated_image = torch.sigmoid(self.text_gate(t)) * self.image_value(v)
        return Fused(self.project(torch.cat([gated_text, gated_image], -1)))
