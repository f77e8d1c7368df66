"""Attention pooling: a few learned queries gather what they want from all tokens of both modalities."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, AttentionConfig, FusionMechanism
from interfuse.nn import Attention


@dataclass(frozen=True)
class AttentionPoolingConfig(AttentionConfig):
    """Settings of `AttentionPoolingFusion`."""

    num_queries: int = 1
    """Learned queries; the vector is a linear map of all their answers."""

    def __post_init__(self) -> None:
        """Refuse no queries."""
        super().__post_init__()
        at_least("attention_pooling", 1, num_queries=self.num_queries)


@FUSIONS.register(
    "attention_pooling",
    config=AttentionPoolingConfig,
    reference="https://arxiv.org/abs/2205.01917",
    family="attention pooling",
    good_for="a pooling better than the mean at little cost, over tokens that an encoder has already mixed well",
    oracle="nn.MultiheadAttention",
)
class AttentionPoolingFusion(FusionMechanism):
    """Pool the tokens of both modalities with learned queries.

    `X = LN [W_v V + e_v; W_t T + e_t]`, `A = Att(Q → X)` with learned `Q`; fused = linear map of the rows of `A` beside
    each other; biases understood. With nothing to attend to, an answer is the attention's output bias.

    Reference:
        The attentional pooler of CoCa, Yu et al. 2022, https://arxiv.org/abs/2205.01917, which pools image tokens
        alone. Ours pools both modalities in one softmax, so each competes with the other for attention.
    """

    def __init__(self, config: AttentionPoolingConfig) -> None:
        """Make the projections, type embeddings, queries, attention and readout."""
        super().__init__(config)
        width = config.fused_dim
        self.image = nn.Linear(config.image_dim, width)
        self.text = nn.Linear(config.text_dim, width)
        self.types = nn.Parameter(torch.randn(2, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(config.num_queries, width))
        self.attention = Attention(width, config.num_heads)
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(config.num_queries * width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Project, merge, pool by the queries, map."""
        merged = torch.cat([self.image(image.tokens) + self.types[0], self.text(text.tokens) + self.types[1]], 1)
        queries = self.queries.unsqueeze(0).expand(merged.shape[0], -1, -1)
        pooled = self.attention(queries, self.norm(merged), torch.cat([image.mask, text.mask], 1))
        return Fused(self.project(self.dropout(pooled).flatten(1)))
