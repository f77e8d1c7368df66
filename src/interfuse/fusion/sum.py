"""Sum of two projections through a non-linearity."""

from dataclasses import dataclass

import torch

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean, unit_linear


@dataclass(frozen=True)
class SumConfig(FusionConfig):
    """Settings of `SumFusion`."""

    hidden: int | None = None
    """Width of the sum; none: fused_dim."""

    def __post_init__(self) -> None:
        """Refuse a width below 1."""
        super().__post_init__()
        at_least("sum", 1, hidden=self.fused_dim if self.hidden is None else self.hidden)


@FUSIONS.register(
    "sum",
    config=SumConfig,
    reference="https://arxiv.org/abs/1902.00038",
    family="pooled",
    good_for="the additive twin of product: what two non-linear unimodal maps reach without any interaction",
    oracle="block.bootstrap LinearSum",
)
class SumFusion(FusionMechanism):
    """Add the projected image and text (LinearSum).

    `fused = W (ReLU(W_v v) + ReLU(W_t t))`, biases understood, `v`, `t` the masked means.
    The logits of a linear head are a sum `f(v) + g(t)`: no interaction can be represented.

    Reference:
        The linear sum that Ben-Younes et al. 2019, https://arxiv.org/abs/1902.00038, compare with, ReLU as in their
        code. Ours pools tokens first and has no ReLU after the last map.
    """

    pools = True

    def __init__(self, config: SumConfig) -> None:
        """Make the three linear maps."""
        super().__init__(config)
        hidden = config.hidden or config.fused_dim
        self.image = unit_linear(config.image_dim, hidden, gain=2**0.5)  # ReLU halves the mean square
        self.text = unit_linear(config.text_dim, hidden, gain=2**0.5)
        self.project = unit_linear(hidden, config.fused_dim, gain=2**-0.5)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, project, add and map."""
        total = torch.relu(self.image(masked_mean(*image))) + torch.relu(self.text(masked_mean(*text)))
        return Fused(self.project(total))
