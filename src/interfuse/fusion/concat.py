"""Early fusion by concatenation, the baseline of every comparison."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean


@dataclass(frozen=True)
class ConcatConfig(FusionConfig):
    """Settings of `ConcatFusion`."""

    hidden: int = 0
    """Width of a hidden layer (GELU); 0: none, and the logits of a linear head are additive."""
    dropout: float = 0.0
    """Dropout after the hidden layer, fraction 0 to 1."""

    def __post_init__(self) -> None:
        """Refuse a negative width."""
        super().__post_init__()
        at_least("concat", 0, hidden=self.hidden)


@FUSIONS.register(
    "concat",
    config=ConcatConfig,
    reference="https://arxiv.org/abs/1705.09406",
    family="pooled",
    good_for="the first thing to try; with a hidden layer, the rival that attention must beat",
    oracle="torch.cat and nn.Linear",
)
class ConcatFusion(FusionMechanism):
    """Concatenate the pooled image and text and map them.

    `fused = W [v; t] + b`, or with a hidden layer `W_2 GELU(W_1 [v; t] + b_1) + b_2`, `v`, `t` the masked means.
    Without a hidden layer the logits of a linear head are a sum `f(v) + g(t)`: no interaction can be represented.

    Reference:
        Early fusion in Baltrušaitis et al. 2017, https://arxiv.org/abs/1705.09406, section 5. Ours pools tokens first.
    """

    pools = True

    def __init__(self, config: ConcatConfig) -> None:
        """Make one linear map, or two around a hidden layer."""
        super().__init__(config)
        both = config.image_dim + config.text_dim
        hidden = [nn.Linear(both, config.hidden), nn.GELU(), nn.Dropout(config.dropout)] if config.hidden else []
        self.project = nn.Sequential(*hidden, nn.Linear(config.hidden or both, config.fused_dim))

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, concatenate and map."""
        return Fused(self.project(torch.cat([masked_mean(*image), masked_mean(*text)], -1)))
