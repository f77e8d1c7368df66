"""Central network: beside one network a modality runs a central one that takes a weighted sum of all at every layer."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean


@dataclass(frozen=True)
class CentralConfig(FusionConfig):
    """Settings of `CentralFusion`."""

    num_layers: int = 2
    """Layers of the three networks after the first."""

    def __post_init__(self) -> None:
        """Refuse no layers."""
        super().__post_init__()
        at_least("central", 1, num_layers=self.num_layers)


@FUSIONS.register(
    "central",
    config=CentralConfig,
    reference="https://arxiv.org/abs/1808.07275",
    family="gated",
    good_for="finding out at which depth pooled modalities are best mixed: the learned weights say so",
    oracle="formula; torch.einsum",
)
class CentralFusion(FusionMechanism):
    """Run a network a modality and a central one, which adds all three at every layer with learned scalar weights.

    `v_0 = ReLU(W_v v)`, `t_0 = ReLU(W_t t)`, `c_0 = a_0 v_0 + b_0 t_0`; per layer `v_l = ReLU(V_l v_(l-1))`,
    `t_l = ReLU(T_l t_(l-1))`, `c_l = g_l ReLU(C_l c_(l-1)) + a_l v_l + b_l t_l`; fused = linear map of the last `c_l`;
    biases understood, `v`, `t` the masked means, the scalars `a`, `b`, `g` learned.

    Reference:
        Vielzeuf et al. 2018, https://arxiv.org/abs/1808.07275, the central layer. Ours pools tokens first, starts the
        scalars of a layer equal, summing to 1, and leaves the losses of the modalities' own networks to the training.
    """

    pools = True
    stacks = ("image_layers", "text_layers", "central_layers")

    def __init__(self, config: CentralConfig) -> None:
        """Make the three networks, the scalars and the readout."""
        super().__init__(config)
        width, layers = config.fused_dim, range(config.num_layers)
        self.image, self.text = nn.Linear(config.image_dim, width), nn.Linear(config.text_dim, width)
        self.image_layers = nn.ModuleList(nn.Linear(width, width) for _ in layers)
        self.text_layers = nn.ModuleList(nn.Linear(width, width) for _ in layers)
        self.central_layers = nn.ModuleList(nn.Linear(width, width) for _ in layers)
        self.modality_weights = nn.Parameter(torch.full((1 + config.num_layers, 2), 1 / 3))
        self.central_weights = nn.Parameter(torch.full((config.num_layers,), 1 / 3))
        nn.init.constant_(self.modality_weights[0], 1 / 2)
        self.project = nn.Linear(width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, run the three networks side by side, map."""
        v, t = self.image(masked_mean(*image)).relu(), self.text(masked_mean(*text)).relu()
        central = self.modality_weights[0, 0] * v + self.modality_weights[0, 1] * t
        layers = zip(self.image_layers, self.text_layers, self.central_layers, strict=True)
        for place, (image_layer, text_layer, central_layer) in enumerate(layers):
            v, t = image_layer(v).relu(), text_layer(t).relu()
            mixed = self.modality_weights[place + 1, 0] * v + self.modality_weights[place + 1, 1] * t
            central = self.central_weights[place] * central_layer(central).relu() + mixed
        return Fused(self.project(central))
