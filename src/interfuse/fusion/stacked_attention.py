"""Stacked attention: the text looks at the picture several times, each time knowing what it saw before."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import AttentionWeights, masked_mean


@dataclass(frozen=True)
class StackedAttentionConfig(FusionConfig):
    """Settings of `StackedAttentionFusion`."""

    num_hops: int = 2
    """How often the text looks at the picture."""
    hidden: int | None = None
    """Width in which image tokens are scored; none: fused_dim."""

    def __post_init__(self) -> None:
        """Refuse no hops and a width below 1."""
        super().__post_init__()
        hidden = self.fused_dim if self.hidden is None else self.hidden
        at_least("stacked_attention", 1, num_hops=self.num_hops, hidden=hidden)


class Hop(nn.Module):
    """One look: `p = softmax(w · tanh(W_V V ⊕ W_u u))`, `u ← p V + u`; softmax ignores a shift: `w` has no bias."""

    def __init__(self, width: int, hidden: int) -> None:
        """Make the maps of tokens and query, and the score."""
        super().__init__()
        self.tokens = nn.Linear(width, hidden, bias=False)
        self.query = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.weigh = AttentionWeights()

    def forward(self, query: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Refine the query (batch, width) by what it looks at."""
        joint = torch.tanh(self.tokens(tokens) + self.query(query).unsqueeze(1))
        weights: Tensor = self.weigh(self.score(joint).squeeze(-1), mask)  # (batch, image_tokens)
        return query + (weights.unsqueeze(-1) * tokens).sum(1)


@FUSIONS.register(
    "stacked_attention",
    config=StackedAttentionConfig,
    reference="https://arxiv.org/abs/1511.02274",
    family="attention pooling",
    good_for="questions about a picture that need a second look, with far fewer parameters than cross-attention",
    oracle="formula; torch.einsum",
)
class StackedAttentionFusion(FusionMechanism):
    """Let the pooled text look at the image tokens several times, adding what it saw to itself.

    `V' = tanh(W_v V)`, `u = W_t t`; per hop `p = softmax(w · tanh(A V' ⊕ (B u + b)))`, `u ← Σ_i p_i V'_i + u`; fused =
    linear map of `u`; biases understood, `t` the masked mean. Without an image the text passes unrefined.

    Reference:
        Yang et al. 2016, https://arxiv.org/abs/1511.02274, section 3.3. Ours reads the text's masked mean where the
        source has the state of an LSTM or a convolutional network, and leaves out the score's bias, which has exactly
        no gradient.
    """

    stacks = ("hops",)

    def __init__(self, config: StackedAttentionConfig) -> None:
        """Make the projections, the hops and the readout."""
        super().__init__(config)
        width = config.fused_dim
        hidden = width if config.hidden is None else config.hidden
        self.image = nn.Linear(config.image_dim, width)
        self.text = nn.Linear(config.text_dim, width)
        self.hops = nn.ModuleList(Hop(width, hidden) for _ in range(config.num_hops))
        self.project = nn.Linear(width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Project, look as often as there are hops, map."""
        tokens, query = torch.tanh(self.image(image.tokens)), self.text(masked_mean(*text))
        for hop in self.hops:
            query = hop(query, tokens, image.mask)
        return Fused(self.project(query))
