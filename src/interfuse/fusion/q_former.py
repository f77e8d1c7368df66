"""Q-Former: learned queries talk with the text and ask the image."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import Attention, FeedForward


@dataclass(frozen=True)
class QFormerConfig(LayeredConfig):
    """Settings of `QFormerFusion`."""

    num_queries: int = 8
    """Learned queries; the paper has 32."""
    num_layers: int = 2
    """Layers; the paper has twelve, with cross-attention in every second."""

    def __post_init__(self) -> None:
        """Refuse no queries."""
        super().__post_init__()
        at_least("q_former", 1, num_queries=self.num_queries)


class QFormerLayer(nn.Module):
    """Self-attention of queries and text together; the queries ask the image; a feed-forward network for each."""

    def __init__(self, config: QFormerConfig, last: bool) -> None:
        """Make both attentions and the feed-forward networks; the last layer's text is read by nobody."""
        super().__init__()
        width, heads = config.fused_dim, config.num_heads
        self.attention, self.attention_norm = Attention(width, heads), nn.LayerNorm(width)
        self.cross, self.cross_norm = Attention(width, heads, config.image_dim), nn.LayerNorm(width)
        self.query_forward, self.query_norm = FeedForward(width), nn.LayerNorm(width)
        self.text_forward = None if last else FeedForward(width)
        self.text_norm = None if last else nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        states: Float[Tensor, "batch queries_and_text fused_dim"],
        mask: Bool[Tensor, "batch queries_and_text"],
        image: Tokens,
        num_queries: int,
    ) -> Float[Tensor, "batch out_tokens fused_dim"]:
        """Update queries and text; the last layer gives the queries alone."""
        asking = states if self.text_forward is not None else states[:, :num_queries]
        asking = self.attention_norm(asking + self.dropout(self.attention(asking, states, mask)))
        queries, text = asking[:, :num_queries], asking[:, num_queries:]
        queries = self.cross_norm(queries + self.dropout(self.cross(queries, image.tokens, image.mask)))
        answer: Tensor = self.query_norm(queries + self.dropout(self.query_forward(queries)))
        if self.text_forward is None or self.text_norm is None:
            return answer
        return torch.cat([answer, self.text_norm(text + self.dropout(self.text_forward(text)))], 1)


@FUSIONS.register(
    "q_former",
    config=QFormerConfig,
    reference="https://arxiv.org/abs/2301.12597",
    family="latent",
    good_for="asking a picture what the text wants to know, with a fixed number of questions",
    oracle="transformers Blip2QFormerModel with text input",
)
class QFormerFusion(FusionMechanism):
    """Let learned queries attend to each other and the text, then to the image.

    `X = LN [Q; W_t T]`; per layer, post-LN: `X = LN(X + Att(X → X))`; of its query part `Q = LN(Q + Att(Q → V))`,
    `Q = LN(Q + FF_q Q)`; of its text part `T = LN(T + FF_t T)`; fused = `W mean(Q) + b`.

    Reference:
        Li et al. 2023, https://arxiv.org/abs/2301.12597, section 3.1. Ours asks the image in every layer, takes the
        text encoder's tokens instead of word embeddings, and averages the queries.
    """

    stacks = ("layers",)

    def __init__(self, config: QFormerConfig) -> None:
        """Make the text's projection, the queries, their norm, the layers and the last map."""
        super().__init__(config)
        width, self.num_queries = config.fused_dim, config.num_queries
        self.text = nn.Linear(config.text_dim, width)
        self.queries, self.norm = nn.Parameter(torch.randn(config.num_queries, width) * 0.02), nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            QFormerLayer(config, last=layer == config.num_layers - 1) for layer in range(config.num_layers)
        )
        self.project = nn.Linear(width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Join queries and text, run the layers, average the queries."""
        queries = self.queries.expand(text.tokens.shape[0], -1, -1)
        states = self.norm(torch.cat([queries, self.text(text.tokens)], 1))
        mask = torch.cat([text.mask.new_ones(queries.shape[:2]), text.mask], 1)
        for layer in self.layers:
            states = layer(states, mask, image, self.num_queries)
        return Fused(self.project(states.mean(1)))
