"""Multiplicative interaction: a bilinear form and both linear maps."""

from dataclasses import dataclass

from torch import nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import check_outer, masked_mean, outer, unit_linear


@dataclass(frozen=True)
class MultiplicativeConfig(FusionConfig):
    """Settings of `MultiplicativeFusion`."""

    hidden: int = 64
    """Width that each modality is projected to before the bilinear form; 0: none, the paper's full tensor."""

    def __post_init__(self) -> None:
        """Refuse a negative width, and a tensor that cannot fit."""
        super().__post_init__()
        at_least("multiplicative", 0, hidden=self.hidden)
        check_outer("multiplicative", self.hidden or self.image_dim, self.hidden or self.text_dim, self.fused_dim)


@FUSIONS.register(
    "multiplicative",
    config=MultiplicativeConfig,
    reference="https://openreview.net/forum?id=rylnK6VtDH",
    family="bilinear",
    good_for="an interaction beside what each modality says alone, learned apart from each other",
    oracle="nn.Bilinear and two nn.Linear",
)
class MultiplicativeFusion(FusionMechanism):
    """Add a bilinear form of image and text to a linear map of each.

    `fused_k = (P v)ᵀ 𝕎_k (Q t) + (U v)_k + (V t)_k + b_k`, `v`, `t` the masked means, `P`, `Q` maps to `hidden`
    channels with biases, or the identity where hidden is 0.

    Raises:
        ConfigError: hidden is 0 and the full tensor cannot fit; the message gives its size.

    Reference:
        Jayakumar et al. 2020, https://openreview.net/forum?id=rylnK6VtDH, section 2 (P and Q the identity). Ours
        projects before the form, and so has a tensor of hidden² · fused_dim weights; it pools tokens first.
    """

    pools = True

    def __init__(self, config: MultiplicativeConfig) -> None:
        """Make the projections, the tensor (as a map of the outer product) and both linear maps."""
        super().__init__(config)
        rows, columns = config.hidden or config.image_dim, config.hidden or config.text_dim
        self.image = unit_linear(config.image_dim, rows) if config.hidden else nn.Identity()
        self.text = unit_linear(config.text_dim, columns) if config.hidden else nn.Identity()
        third = 3**-0.5  # of the variance comes from each of the three terms
        self.bilinear = unit_linear(rows * columns, config.fused_dim, third)
        self.image_linear = unit_linear(config.image_dim, config.fused_dim, third, bias=False)
        self.text_linear = unit_linear(config.text_dim, config.fused_dim, third, bias=False)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Average, then add the form and both maps."""
        v, t = masked_mean(*image), masked_mean(*text)
        form = self.bilinear(outer(self.image(v), self.text(t)))
        return Fused(form + self.image_linear(v) + self.text_linear(t))
