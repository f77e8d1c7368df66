"""Embracement: every channel is taken from one modality, chosen by lot in training."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.errors import ConfigError
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import Perceptron, masked_mean


@dataclass(frozen=True)
class EmbraceConfig(FusionConfig):
    """Settings of `EmbraceFusion`."""

    image_share: float = 0.5
    """Probability that a channel is the image's where both modalities are there."""

    def __post_init__(self) -> None:
        """Refuse a share that never lets one modality in."""
        super().__post_init__()
        if not 0 < self.image_share < 1:
            raise ConfigError(
                f"embrace: image_share must lie between 0 and 1, got image_share={self.image_share}. "
                "Use image_only or text_only for one modality alone."
            )


@FUSIONS.register(
    "embrace",
    config=EmbraceConfig,
    reference="https://arxiv.org/abs/1904.09078",
    family="gated",
    good_for="rows that often lack a modality: each channel learns to do with either",
    oracle="formula; mean over many draws in training",
)
class EmbraceFusion(FusionMechanism):
    """Take every channel from one modality: by lot in training, in expectation otherwise.

    `d_v = ReLU(W_v v)`, `d_t = ReLU(W_t t)`, `e = r ⊙ d_v + (1 - r) ⊙ d_t`, `fused = W_2 GELU(W_1 e)`, biases
    understood, `v`, `t` the masked means. In training `r_i` is 1 with probability `p`, drawn anew for each row and
    channel from torch's generator; in eval `r_i = p`, so that the vector is deterministic. `p` is `image_share`, 0
    where the image is missing and 1 where the text is: a missing modality is never chosen. With both missing `e = 0`.

    Reference:
        Choi and Lee 2019, https://arxiv.org/abs/1904.09078, docking and embracement layers. Its code draws in eval
        too, and is NaN where no modality is there; ours takes the expectation, and zeros. Ours pools tokens first; one
        hidden layer is the terminal network, without which the expectation would be additive.
    """

    pools = True

    def __init__(self, config: EmbraceConfig) -> None:
        """Make a docking layer for each modality, and the terminal network."""
        super().__init__(config)
        width = config.fused_dim
        self.image_share = config.image_share
        self.image, self.text = nn.Linear(config.image_dim, width), nn.Linear(config.text_dim, width)
        self.terminal = Perceptron(width, width, width)

    def shares(self, image: Tokens, text: Tokens) -> Float[Tensor, "batch 2"]:
        """Compute the probability of image and text in each row; they sum to 1, or are 0 where both are missing."""
        present = torch.stack([image.mask.any(1), text.mask.any(1)], -1).to(image.tokens.dtype)
        weights = present * present.new_tensor([self.image_share, 1 - self.image_share])
        total = weights.sum(-1, keepdim=True)
        return weights / total.where(total > 0, torch.ones_like(total))

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, dock, choose channel by channel, map."""
        docked_image, docked_text = self.image(masked_mean(*image)).relu(), self.text(masked_mean(*text)).relu()
        image_part, text_part = self.shares(image, text).split(1, -1)
        if self.training:
            lot = torch.rand(docked_image.shape, device=docked_image.device)  # in [0, 1): a share of 0 never wins
            from_image = lot < image_part
            image_part, text_part = from_image.to(image_part.dtype), (~from_image & (text_part > 0)).to(text_part.dtype)
        return Fused(self.terminal(image_part * docked_image + text_part * docked_text))
