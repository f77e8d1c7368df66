"""Blocks that mechanisms and networks are composed of."""

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.nn.attention import Attention
from interfuse.nn.masked import masked_mean
from interfuse.nn.perceptron import ValueGate


class FeedForward(nn.Sequential):
    """`W_2 GELU(W_1 x + b_1) + b_2`, the position-wise network of a Transformer layer (hidden width 4·dim)."""

    def __init__(self, dim: int, expansion: int = 4) -> None:
        """Make both linear maps."""
        hidden = expansion * dim
        super().__init__(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))


class TransformerLayer(nn.Module):
    """Transformer encoder layer: self-attention, then the feed-forward network, each with a residual.

    Pre-LN: `x += Att(LN x)`, `x += FF(LN x)`; post-LN: `x = LN(x + Att x)`, `x = LN(x + FF x)`.
    Dropout acts on what is added, nowhere else.

    Reference:
        Xiong et al. 2020, https://arxiv.org/abs/2002.04745, which compares both.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float = 0.0, norm_first: bool = True) -> None:
        """Make the attention, the feed-forward network and their norms."""
        super().__init__()
        self.norm_first = norm_first
        self.attention_norm, self.attention = nn.LayerNorm(dim), Attention(dim, num_heads)
        self.forward_norm, self.feed_forward = nn.LayerNorm(dim), FeedForward(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "batch tokens dim"], mask: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Let the tokens of each row attend to each other."""
        if self.norm_first:
            normed = self.attention_norm(tokens)
            tokens = tokens + self.dropout(self.attention(normed, normed, mask))
            updated: Tensor = tokens + self.dropout(self.feed_forward(self.forward_norm(tokens)))
            return updated
        tokens = self.attention_norm(tokens + self.dropout(self.attention(tokens, tokens, mask)))
        normed_after: Tensor = self.forward_norm(tokens + self.dropout(self.feed_forward(tokens)))
        return normed_after


class CrossLayer(nn.Module):
    """Pre-LN cross-attention layer without self-attention: `x += Att(LN x → LN y)`, `x += FF(LN x)`.

    Reference:
        The crossmodal block of Tsai et al. 2019, https://arxiv.org/abs/1906.00295; both norms are separate here.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float = 0.0) -> None:
        """Make the attention, the feed-forward network and the three norms."""
        super().__init__()
        self.query_norm, self.memory_norm, self.attention = (
            nn.LayerNorm(dim),
            nn.LayerNorm(dim),
            Attention(dim, num_heads),
        )
        self.forward_norm, self.feed_forward = nn.LayerNorm(dim), FeedForward(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        tokens: Float[Tensor, "batch queries dim"],
        memory: Float[Tensor, "batch keys dim"],
        mask: Bool[Tensor, "batch keys"],
    ) -> Float[Tensor, "batch queries dim"]:
        """Update `tokens` by what they find in `memory`."""
        tokens = tokens + self.dropout(self.attention(self.query_norm(tokens), self.memory_norm(memory), mask))
        updated: Tensor = tokens + self.dropout(self.feed_forward(self.forward_norm(tokens)))
        return updated


class DecoderLayer(nn.Module):
    """Post-LN decoder layer: self-attention, attention to the other stream, feed-forward network.

    `x = LN(x + Att(x → x))`, `x = LN(x + Att(x → y))`, `x = LN(x + FF x)`.

    Reference:
        Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, without the causal mask.
    """

    def __init__(self, dim: int, num_heads: int, dropout: float = 0.0) -> None:
        """Make both attentions, the feed-forward network and their norms."""
        super().__init__()
        self.attention, self.attention_norm = Attention(dim, num_heads), nn.LayerNorm(dim)
        self.cross, self.cross_norm = Attention(dim, num_heads), nn.LayerNorm(dim)
        self.feed_forward, self.forward_norm = FeedForward(dim), nn.LayerNorm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, stream: Tokens, memory: Tokens) -> Tokens:
        """Update the tokens of `stream` by each other and by `memory`."""
        x, mask = stream
        x = self.attention_norm(x + self.dropout(self.attention(x, x, mask)))
        x = self.cross_norm(x + self.dropout(self.cross(x, memory.tokens, memory.mask)))
        return Tokens(self.forward_norm(x + self.dropout(self.feed_forward(x))), mask)


class Readout(nn.Linear):
    """One vector a row from two streams: a linear map of [masked mean of image; masked mean of text]."""

    def __init__(self, image_dim: int, text_dim: int, fused_dim: int) -> None:
        """Make the linear map."""
        super().__init__(image_dim + text_dim, fused_dim)

    def forward(self, image: Tokens, text: Tokens) -> Float[Tensor, "batch fused_dim"]:  # type: ignore[override]
        """Average both streams and map them."""
        return super().forward(torch.cat([masked_mean(*image), masked_mean(*text)], -1))


class TwoStreams(nn.Module):
    """Two streams brought to one width, updated by layers that see both, and read out.

    `V = W_v V`, `T = W_t T`; `V, T = layer(V, T)` one layer after the other; fused = linear map of [mean V; mean T].

    Shape:
        (batch, image_tokens, image_dim), (batch, text_tokens, text_dim) -> `Fused`, all at width dim.
    """

    def __init__(
        self, image_dim: int, text_dim: int, dim: int, layers: Iterable[nn.Module], norm: bool = False
    ) -> None:
        """Make both projections, with `norm` a last LayerNorm for each stream, and the readout."""
        super().__init__()
        self.image, self.text = nn.Linear(image_dim, dim), nn.Linear(text_dim, dim)
        self.layers = nn.ModuleList(layers)
        self.image_norm = nn.LayerNorm(dim) if norm else nn.Identity()
        self.text_norm = nn.LayerNorm(dim) if norm else nn.Identity()
        self.readout = Readout(dim, dim, dim)

    def forward(self, image: Tokens, text: Tokens) -> Fused:
        """Project, run the layers, read out."""
        image, text = Tokens(self.image(image.tokens), image.mask), Tokens(self.text(text.tokens), text.mask)
        for layer in self.layers:
            image, text = layer(image, text)
        image, text = Tokens(self.image_norm(image.tokens), image.mask), Tokens(self.text_norm(text.tokens), text.mask)
        return Fused(self.readout(image, text), image.tokens, text.tokens)


class GatedLinear(nn.Module):
    """Gated linear unit: `(W x + b) ⊙ σ(V x + c)`.

    Reference:
        Dauphin et al. 2017, https://arxiv.org/abs/1612.08083.
    """

    def __init__(self, dim: int, out_dim: int) -> None:
        """Make value and gate as one linear map."""
        super().__init__()
        self.value_gate = ValueGate(dim, out_dim)

    def forward(self, x: Float[Tensor, "*axes dim"]) -> Float[Tensor, "*axes out_dim"]:
        """Gate each channel of the linear map by another of the same input."""
        return nn.functional.glu(self.value_gate(x), -1)
