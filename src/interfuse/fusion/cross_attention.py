"""Co-attention: each modality attends to the other with weights of its own."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import Attention, FeedForward, TwoStreams


@dataclass(frozen=True)
class CrossAttentionConfig(LayeredConfig):
    """Settings of `CrossAttentionFusion`."""

    norm_first: bool = True
    """Normalise before each sublayer (pre-LN), or after adding it (post-LN, as ViLBERT and METER)."""


class Direction(nn.Module):
    """One stream's half of a co-attention layer: attend to the other stream, then feed forward."""

    def __init__(self, config: CrossAttentionConfig) -> None:
        """Make the attention, the feed-forward network and their norms."""
        super().__init__()
        width = config.fused_dim
        self.norm_first = config.norm_first
        self.attention_norm, self.forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, config.num_heads)
        self.feed_forward = FeedForward(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        stream: Float[Tensor, "batch queries fused_dim"],
        query: Float[Tensor, "batch queries fused_dim"],
        memory: Float[Tensor, "batch keys fused_dim"],
        mask: Tensor,
    ) -> Float[Tensor, "batch queries fused_dim"]:
        """Update `stream`, whose attention asks with `query` over `memory`."""
        stream = stream + self.dropout(self.attention(query, memory, mask))
        if self.norm_first:
            updated: Tensor = stream + self.dropout(self.feed_forward(self.forward_norm(stream)))
            return updated
        stream = self.attention_norm(stream)
        normed: Tensor = self.forward_norm(stream + self.dropout(self.feed_forward(stream)))
        return normed


class CoAttentionLayer(nn.Module):
    """Both directions of one layer; both read the states before the update."""

    def __init__(self, config: CrossAttentionConfig) -> None:
        """Make one direction for each modality."""
        super().__init__()
        self.image, self.text = Direction(config), Direction(config)

    def forward(self, image: Tokens, text: Tokens) -> tuple[Tokens, Tokens]:
        """Update both streams."""
        v, t = image.tokens, text.tokens
        if self.image.norm_first:
            v, t = self.image.attention_norm(v), self.text.attention_norm(t)
        new_image = self.image(image.tokens, v, t, text.mask)
        new_text = self.text(text.tokens, t, v, image.mask)
        return Tokens(new_image, image.mask), Tokens(new_text, text.mask)


@FUSIONS.register(
    "cross_attention",
    config=CrossAttentionConfig,
    reference="https://arxiv.org/abs/1908.02265",
    family="cross-attention",
    good_for="questions that must find their object among many: binding, counting, relations",
    oracle="nn.TransformerDecoderLayer; transformers BridgeTowerBertCrossLayer (post-LN)",
)
class CrossAttentionFusion(FusionMechanism):
    """Let each modality attend to the other, then feed forward, with weights of its own.

    Per layer, with `V̂ = LN V`, `T̂ = LN T`: `V += Att_v(V̂ → T̂)`, `T += Att_t(T̂ → V̂)`, then `x += FF(LN x)` each;
    both directions read the states before the update; fused = linear map of [mean LN V; mean LN T].

    Shape:
        fused.image (batch, image_tokens, fused_dim), fused.text (batch, text_tokens, fused_dim).

    Reference:
        Co-attention of ViLBERT, Lu et al. 2019, https://arxiv.org/abs/1908.02265, and METER, Dou et al. 2022,
        https://arxiv.org/abs/2111.02387. Ours is pre-LN unless `norm_first` is off; unlike METER's it has no
        self-attention, which the adapters' layers give.
    """

    cross_attends = True
    stacks = ("layers",)

    def __init__(self, config: CrossAttentionConfig) -> None:
        """Make the layers between the streams; pre-LN streams are normalised at the end."""
        super().__init__(config)
        layers = (CoAttentionLayer(config) for _ in range(config.num_layers))
        widths = config.image_dim, config.text_dim, config.fused_dim
        self.streams = TwoStreams(*widths, layers, norm=config.norm_first)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Run the layers."""
        fused: Fused = self.streams(image, text)
        return fused
