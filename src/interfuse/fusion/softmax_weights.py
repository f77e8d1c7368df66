"""Learned weights of the modalities: a softmax says how much of each enters the sum."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean, masked_softmax


@FUSIONS.register(
    "softmax_weights",
    config=FusionConfig,
    reference="https://github.com/facebookresearch/multimodal",
    family="gated",
    good_for="one readable number a row and modality that says which was listened to; modalities that may be missing",
    oracle="torchmultimodal AttentionFusionModule",
)
class SoftmaxWeightsFusion(FusionMechanism):
    """Add the modalities' linear maps, weighted by a softmax over the modalities.

    `fused = α_v W_v v + α_t W_t t`, `α = softmax(W_α [v; t])`, biases understood, `v`, `t` the masked means. A missing
    modality has weight exactly 0; where both are missing the vector is zero.

    Reference:
        `AttentionFusionModule` of torchmultimodal, https://github.com/facebookresearch/multimodal. Ours pools tokens
        first and shuts a missing modality out of the softmax.
    """

    pools = True

    def __init__(self, config: FusionConfig) -> None:
        """Make a map for each modality, and the scores of both."""
        super().__init__(config)
        self.image = nn.Linear(config.image_dim, config.fused_dim)
        self.text = nn.Linear(config.text_dim, config.fused_dim)
        self.score = nn.Linear(config.image_dim + config.text_dim, 2)

    def weights(self, image: Tokens, text: Tokens) -> Float[Tensor, "batch 2"]:
        """Compute the weight of image and text in each row; they sum to 1, or are 0 where both are missing."""
        present = torch.stack([image.mask.any(1), text.mask.any(1)], -1)
        return masked_softmax(self.score(torch.cat([masked_mean(*image), masked_mean(*text)], -1)), present)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, map, weigh and add."""
        image_weight, text_weight = self.weights(image, text).split(1, -1)
        return Fused(image_weight * self.image(masked_mean(*image)) + text_weight * self.text(masked_mean(*text)))
