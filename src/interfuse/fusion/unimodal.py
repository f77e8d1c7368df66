"""Controls that see one modality: what any fusion has to beat."""

from torch import nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean


@FUSIONS.register(
    "image_only",
    config=FusionConfig,
    reference="https://arxiv.org/abs/1612.00837",
    family="control",
    good_for="the floor: what the pictures are worth alone",
    oracle="formula",
)
class ImageOnlyFusion(FusionMechanism):
    """Return a linear map of the image and ignore the text.

    `fused = W v + b`, with `v` the masked mean of the image tokens.

    Reference:
        The single-modality control of Goyal et al. 2017, https://arxiv.org/abs/1612.00837.
    """

    modalities = frozenset({"image"})
    pools = True

    def __init__(self, config: FusionConfig) -> None:
        """Make the linear map."""
        super().__init__(config)
        self.project = nn.Linear(config.image_dim, config.fused_dim)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:  # noqa: ARG002
        """Average and map the image."""
        return Fused(self.project(masked_mean(*image)))


@FUSIONS.register(
    "text_only",
    config=FusionConfig,
    reference="https://arxiv.org/abs/1612.00837",
    family="control",
    good_for="the floor: what the texts are worth alone",
    oracle="formula",
)
class TextOnlyFusion(FusionMechanism):
    """Return a linear map of the text and ignore the image.

    `fused = W t + b`, with `t` the masked mean of the text tokens.

    Reference:
        The single-modality control of Goyal et al. 2017, https://arxiv.org/abs/1612.00837.
    """

    modalities = frozenset({"text"})
    pools = True

    def __init__(self, config: FusionConfig) -> None:
        """Make the linear map."""
        super().__init__(config)
        self.project = nn.Linear(config.text_dim, config.fused_dim)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:  # noqa: ARG002
        """Average and map the text."""
        return Fused(self.project(masked_mean(*text)))
