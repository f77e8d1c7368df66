"""Bilinear attention: one map of weights over all pairs of an image token and a text token."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import masked_mean, masked_softmax, unit_linear


@dataclass(frozen=True)
class BilinearAttentionConfig(FusionConfig):
    """Settings of `BilinearAttentionFusion`."""

    num_glimpses: int = 4
    """Attention maps, each with a residual step of its own."""
    hidden: int | None = None
    """Rank of the bilinear maps; none: fused_dim."""

    def __post_init__(self) -> None:
        """Refuse no glimpses and no rank."""
        super().__post_init__()
        hidden = self.fused_dim if self.hidden is None else self.hidden
        at_least("bilinear_attention", 1, num_glimpses=self.num_glimpses, hidden=hidden)


class PairAttention(nn.Module):
    """Weights over all pairs, summing to 1 over the real ones: `softmax_{ij} p_gᵀ(ReLU(U v_i) ⊙ ReLU(W t_j))`."""

    weighs: ClassVar[Literal["keys", "pairs"]] = "pairs"

    def __init__(self, image_dim: int, text_dim: int, hidden: int, num_glimpses: int) -> None:
        """Make both maps, and a vector for each glimpse; a bias would be dead, softmax does not see it."""
        super().__init__()
        self.image = unit_linear(image_dim, hidden, gain=2**0.5)  # ReLU halves the mean square
        self.text = unit_linear(text_dim, hidden, gain=2**0.5)
        self.glimpses = nn.Parameter(torch.randn(num_glimpses, hidden) * hidden**-0.5)

    def forward(
        self,
        image: Float[Tensor, "batch image_tokens image_dim"],
        text: Float[Tensor, "batch text_tokens text_dim"],
        mask: Bool[Tensor, "batch image_tokens text_tokens"],
    ) -> Float[Tensor, "batch glimpses image_tokens text_tokens"]:
        """Weigh the pairs of each row; a row without a real pair has zeros."""
        v, t = torch.relu(self.image(image)).unsqueeze(1), torch.relu(self.text(text)).unsqueeze(1)
        scores = (v * self.glimpses[:, None, :]) @ t.transpose(-2, -1)
        return masked_softmax(scores.flatten(2), mask.flatten(1).unsqueeze(1)).view_as(scores).to(scores.dtype)


class Glimpse(nn.Module):
    """One residual step: `f_k = Σ_ij A_ij ReLU(U v_i)_k ReLU(W x_j)_k`, mapped to the width of the text."""

    def __init__(self, image_dim: int, width: int, hidden: int, gain: float) -> None:
        """Make both maps and the one back, at first `gain` times as large as the text."""
        super().__init__()
        self.image = unit_linear(image_dim, hidden, gain=2**0.5)
        self.text = unit_linear(width, hidden, gain=2**0.5)
        self.project = unit_linear(hidden, width, gain)

    def forward(
        self,
        weights: Float[Tensor, "batch image_tokens text_tokens"],
        image: Float[Tensor, "batch image_tokens image_dim"],
        text: Float[Tensor, "batch text_tokens width"],
    ) -> Float[Tensor, "batch 1 width"]:
        """Pool all pairs with the weights."""
        v, x = torch.relu(self.image(image)), torch.relu(self.text(text))
        joint: Tensor = self.project(((weights @ x) * v).sum(1, keepdim=True))
        return joint


@FUSIONS.register(
    "bilinear_attention",
    config=BilinearAttentionConfig,
    reference="https://arxiv.org/abs/1805.07932",
    family="bilinear",
    good_for="questions about pairs, this object with that word, at the cost of a few matrix products",
    oracle="formula",
)
class BilinearAttentionFusion(FusionMechanism):
    """Attend to pairs of an image token and a text token, glimpse by glimpse, with a residual on the text (BAN).

    `A_g = softmax_{ij} p_gᵀ(ReLU(U v_i) ⊙ ReLU(W t_j))`, `x⁰ = W_0 t`; per glimpse
    `f_k = Σ_ij A_{g,ij} ReLU(U_g v_i)_k ReLU(W_g x_j)_k` and `x_j += P_g f` for every j; fused = masked mean of x.

    Shape:
        fused.text (batch, text_tokens, fused_dim).

    Reference:
        Kim et al. 2018, https://arxiv.org/abs/1805.07932, sections 3 and 4. Ours masks both modalities, averages the
        text tokens where the paper sums them (its questions all have 14), has no weight norm, no dropout, no counter,
        and attends with rank `hidden` where the authors' code has three times its width.
    """

    stacks = ("glimpses",)

    def __init__(self, config: BilinearAttentionConfig) -> None:
        """Make the text's projection, the attention of all glimpses and their steps."""
        super().__init__(config)
        width, hidden = config.fused_dim, config.hidden or config.fused_dim
        self.text = unit_linear(config.text_dim, width)
        self.attention = PairAttention(config.image_dim, width, hidden, config.num_glimpses)
        gain = config.num_glimpses**-0.5  # the steps are products with x: together they add (1 + gain²)^glimpses < e
        self.glimpses = nn.ModuleList(
            Glimpse(config.image_dim, width, hidden, gain) for _ in range(config.num_glimpses)
        )

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Weigh all pairs once, then take the residual steps."""
        x = self.text(text.tokens)
        weights = self.attention(image.tokens, x, image.mask.unsqueeze(2) & text.mask.unsqueeze(1))
        for number, glimpse in enumerate(self.glimpses):
            x = x + glimpse(weights[:, number], image.tokens, x)
        return Fused(masked_mean(x, text.mask), text=x)
