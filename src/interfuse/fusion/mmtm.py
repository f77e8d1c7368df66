"""Multimodal transfer module: squeeze both modalities together, excite the channels of each."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.errors import ConfigError
from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import Readout, masked_mean


@dataclass(frozen=True)
class MmtmConfig(FusionConfig):
    """Settings of `MmtmFusion`."""

    reduction: int = 4
    """The joint code has (image_dim + text_dim) / reduction channels, at least one."""
    factor: float = 2.0
    """What the gate is multiplied with: 2 leaves a half-open gate's channel as it was; 1 as in the published code."""

    def __post_init__(self) -> None:
        """Refuse a reduction below 1 and a gate that is always shut."""
        super().__post_init__()
        at_least("mmtm", 1, reduction=self.reduction)
        if not self.factor > 0:
            raise ConfigError(f"mmtm: factor must be above 0, got factor={self.factor}. Try factor=2.")


@FUSIONS.register(
    "mmtm",
    config=MmtmConfig,
    reference="https://arxiv.org/abs/1911.08670",
    family="gated",
    good_for="recalibrating the channels of both modalities by each other while their tokens stay as they are",
    oracle="formula; torch.nn.functional.linear on a convolution's layout",
)
class MmtmFusion(FusionMechanism):
    """Squeeze both modalities into one code that opens and shuts the channels of each.

    `s = ReLU(W [v; t])`, `V' = f σ(A s) ⊙ V`, `T' = f σ(B s) ⊙ T`, biases understood, `f` the `factor`, `v`, `t` the
    masked means; fused = linear map of [mean V'; mean T'].

    Shape:
        fused.image (batch, image_tokens, image_dim), fused.text (batch, text_tokens, text_dim).

    Reference:
        Joze et al. 2020, https://arxiv.org/abs/1911.08670. Its published code, https://github.com/haamoon/mmtm, has σ
        without a factor and a code of half the channels: `factor=1, reduction=2` here. Ours excites tokens instead of
        feature maps, and starts from gates that leave the tokens about as they were.
    """

    gates = ("image", "text")

    def __init__(self, config: MmtmConfig) -> None:
        """Make the squeeze, both excitations and the readout."""
        super().__init__(config)
        both = config.image_dim + config.text_dim
        code = max(1, both // config.reduction)
        self.factor = config.factor
        self.squeeze = nn.Linear(both, code)
        self.image, self.text = nn.Linear(code, config.image_dim), nn.Linear(code, config.text_dim)
        self.readout = Readout(config.image_dim, config.text_dim, config.fused_dim)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Squeeze, excite both streams, read out."""
        code = self.squeeze(torch.cat([masked_mean(*image), masked_mean(*text)], -1)).relu().unsqueeze(1)
        new_image = self.factor * torch.sigmoid(self.image(code)) * image.tokens
        new_text = self.factor * torch.sigmoid(self.text(code)) * text.tokens
        return Fused(self.readout(Tokens(new_image, image.mask), Tokens(new_text, text.mask)), new_image, new_text)
