"""Tensor fusion: a linear map of the outer product of both modalities, each with a one in front."""

from dataclasses import dataclass

from torch import nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import check_outer, masked_mean, outer, unit_linear


@dataclass(frozen=True)
class TensorFusionConfig(FusionConfig):
    """Settings of `TensorFusion`."""

    hidden: int = 64
    """Width that each modality is projected to before the outer product; 0: none, every channel by every channel."""

    def __post_init__(self) -> None:
        """Refuse a negative width, and an outer product that cannot fit."""
        super().__post_init__()
        at_least("tensor_fusion", 0, hidden=self.hidden)
        rows, columns = self.hidden or self.image_dim, self.hidden or self.text_dim
        check_outer("tensor_fusion", rows + 1, columns + 1, self.fused_dim)


@FUSIONS.register(
    "tensor_fusion",
    config=TensorFusionConfig,
    reference="https://arxiv.org/abs/1707.07250",
    family="bilinear",
    good_for="narrow features, where every product of two channels may count",
    oracle="einsum; MMSA TFN",
)
class TensorFusion(FusionMechanism):
    """Map the outer product of [1; image] and [1; text], which holds both modalities and all their products (TFN).

    `fused = W vec([1; P v] ⊗ [1; Q t]) + b`, `v`, `t` the masked means, `P`, `Q` maps to `hidden` channels with biases,
    or the identity where hidden is 0.

    Raises:
        ConfigError: the outer product cannot fit; the message gives its size.

    Reference:
        Zadeh et al. 2017, https://arxiv.org/abs/1707.07250, section 4.2, with two modalities. Ours pools tokens first,
        has a linear projection where the paper has embedding networks, and one linear map where it has two layers.
    """

    pools = True

    def __init__(self, config: TensorFusionConfig) -> None:
        """Make the projections and the map of the outer product."""
        super().__init__(config)
        rows, columns = config.hidden or config.image_dim, config.hidden or config.text_dim
        self.image = unit_linear(config.image_dim, rows) if config.hidden else nn.Identity()
        self.text = unit_linear(config.text_dim, columns) if config.hidden else nn.Identity()
        self.project = unit_linear((rows + 1) * (columns + 1), config.fused_dim)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, project, put a one in front, multiply all by all and map."""
        v, t = self.image(masked_mean(*image)), self.text(masked_mean(*text))
        v, t = (nn.functional.pad(x, (1, 0), value=1.0) for x in (v, t))
        return Fused(self.project(outer(v, t)))
