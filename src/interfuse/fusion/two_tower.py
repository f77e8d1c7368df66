"""Two towers whose unit vectors are compared channel by channel."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.modalities import Modalities
from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import Perceptron, masked_mean


@dataclass(frozen=True)
class TwoTowerConfig(FusionConfig):
    """Settings of `TwoTowerFusion`."""

    hidden: int | None = None
    """Width of each tower's hidden layer; none: fused_dim; 0: the towers are linear."""
    dropout: float = 0.0
    """Dropout of what enters a tower, fraction 0 to 1."""

    def __post_init__(self) -> None:
        """Refuse a negative width."""
        super().__post_init__()
        at_least("two_tower", 0, hidden=self.fused_dim if self.hidden is None else self.hidden)


@FUSIONS.register(
    "two_tower",
    config=TwoTowerConfig,
    reference="https://arxiv.org/abs/2103.00020",
    family="bilinear",
    good_for="matching with `contrastive=1`; pictures and texts that must be searched by their vectors",
    oracle="formula; torch.nn.CosineSimilarity; the contrastive loss against CLIP's in transformers",
)
class TwoTowerFusion(FusionMechanism):
    """Encode each modality by a tower of its own; the channels of both unit vectors, multiplied.

    `fused = d · a/‖a‖ ⊙ b/‖b‖`, `a = MLP_v(v)`, `b = MLP_t(t)`, `v`, `t` the masked means, `d` = fused_dim: the mean of
    the fused vector is the cosine of `a` and `b`, and a linear head weighs its terms.

    Reference:
        The towers of CLIP, Radford et al. 2021, https://arxiv.org/abs/2103.00020. Ours stand on pooled features, and
        give the terms of the cosine where CLIP gives their sum.
    """

    pools = True
    has_towers = True

    def __init__(self, config: TwoTowerConfig) -> None:
        """Make both towers."""
        super().__init__(config)
        hidden = config.fused_dim if config.hidden is None else config.hidden
        self.dropout = nn.Dropout(config.dropout)
        self.image = Perceptron(config.image_dim, hidden, config.fused_dim)
        self.text = Perceptron(config.text_dim, hidden, config.fused_dim)

    def towers(self, image: Tokens, text: Tokens) -> Modalities[Float[Tensor, "batch fused_dim"]]:
        """Return the unit vectors of pictures and texts."""
        image_vector, text_vector = self.dropout(masked_mean(*image)), self.dropout(masked_mean(*text))
        return Modalities(F.normalize(self.image(image_vector), dim=-1), F.normalize(self.text(text_vector), dim=-1))

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Multiply the channels of both unit vectors."""
        image_code, text_code = self.towers(image, text)
        return Fused(image_code * text_code * image_code.shape[1])
