"""Blocks that mechanisms and networks are composed of."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from interfuse.core.tokens import Tokens
from interfuse.nn.attention import Attention
from interfuse.nn.masked import masked_mean


class FeedForward(nn.Sequential):
    """`W_2 GELU(W_1 x + b_1) + b_2`, the position-wise network of a Transformer layer (hidden width 4·dim)."""

    def __init__(self, dim: int, expansion: int = 4) -> None:
        """Make both linear maps."""
        hidden = expansion * dim
        super().__init__(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))


class TransformerLayer(nn.Module):
    """Pre-LN Transformer encoder layer: `x += Att(LN x)`, `x += FF(LN x)`; dropout on what is added, nowhere else.

    Reference:
        Xiong et al. 2020, https://arxiv.org/abs/2002.04745.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float = 0.0) -> None:
        """Make the attention, the feed-forward network and their norms."""
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(dim), Attention(dim, num_heads)
        self.forward_norm, self.feed_forward = nn.LayerNorm(dim), FeedForward(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "batch tokens dim"], mask: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Let the tokens of each row attend to each other."""
        normed = self.attention_norm(tokens)
        tokens = tokens + self.dropout(self.attention(normed, normed, mask))
        updated: Tensor = tokens + self.dropout(self.feed_forward(self.forward_norm(tokens)))
        return updated


class Readout(nn.Linear):
    """One vector a row from two streams: a linear map of [masked mean of image; masked mean of text]."""

    def __init__(self, image_dim: int, text_dim: int, fused_dim: int) -> None:
        """Make the linear map."""
        super().__init__(image_dim + text_dim, fused_dim)

    def forward(self, image: Tokens, text: Tokens) -> Float[Tensor, "batch fused_dim"]:  # type: ignore[override]
        """Average both streams and map them."""
        return super().forward(torch.cat([masked_mean(*image), masked_mean(*text)], -1))


class GatedLinear(nn.Module):
    """Gated linear unit: `(W x + b) ⊙ σ(V x + c)`.

    Reference:
        Dauphin et al. 2017, https://arxiv.org/abs/1612.08083.
    """

    def __init__(self, dim: int, out_dim: int) -> None:
        """Make value and gate as one linear map."""
        super().__init__()
        self.value_gate = nn.Linear(dim, 2 * out_dim)

    def forward(self, x: Float[Tensor, "*axes dim"]) -> Float[Tensor, "*axes out_dim"]:
        """Gate each channel of the linear map by another of the same input."""
        return nn.functional.glu(self.value_gate(x), -1)
