"""Top-down attention: the text scores every image token, the weighted picture meets the text in a product."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import AttentionWeights, GatedTanh, masked_mean


@dataclass(frozen=True)
class TopDownConfig(FusionConfig):
    """Settings of `TopDownFusion`."""

    hidden: int | None = None
    """Width in which image tokens are scored; none: fused_dim."""

    def __post_init__(self) -> None:
        """Refuse a width below 1."""
        super().__post_init__()
        at_least("top_down", 1, hidden=self.fused_dim if self.hidden is None else self.hidden)


@FUSIONS.register(
    "top_down",
    config=TopDownConfig,
    reference="https://arxiv.org/abs/1707.07998",
    family="attention pooling",
    good_for="questions about one region of the picture; the strong, small baseline of visual question answering",
    oracle="formula; torch.einsum",
)
class TopDownFusion(FusionMechanism):
    """Attend over image tokens as the pooled text bids, then multiply the attended image with the text.

    `a_i = w · f_a([V_i; t])`, `v̂ = Σ_i softmax(a)_i V_i`, `fused = W (f_t(t) ⊙ f_v(v̂))`, with the gated tanh
    `f(x) = tanh(W x) ⊙ σ(W' x)`, biases understood but in `w`, `t` the masked mean.

    Reference:
        Anderson et al. 2018, https://arxiv.org/abs/1707.07998, the question-answering model. Ours
        reads the text's masked mean where the source has a GRU's state; a linear map instead of the answer's gated
        tanh and sigmoid, which belong to the head.
    """

    def __init__(self, config: TopDownConfig) -> None:
        """Make the scores, the gated maps of both modalities and the readout."""
        super().__init__(config)
        width = config.fused_dim
        hidden = width if config.hidden is None else config.hidden
        self.attend = GatedTanh(config.image_dim + config.text_dim, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.weigh = AttentionWeights()
        self.image, self.text = GatedTanh(config.image_dim, width), GatedTanh(config.text_dim, width)
        self.project = nn.Linear(width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Score each image token beside the text, average by the weights, multiply and map."""
        t = masked_mean(*text)
        both = torch.cat([image.tokens, t.unsqueeze(1).expand(-1, image.tokens.shape[1], -1)], -1)
        weights = self.weigh(self.score(self.attend(both)).squeeze(-1), image.mask)
        attended = (weights.unsqueeze(-1) * image.tokens).sum(1)  # (batch, image_dim)
        return Fused(self.project(self.text(t) * self.image(attended)))
