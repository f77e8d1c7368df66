"""LXMERT's cross-modality layer: shared cross-attention, then each stream's own self-attention and feed-forward."""

from torch import nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import Attention, TransformerLayer, TwoStreams


class CrossModalityLayer(nn.Module):
    """One cross-attention for both directions, then a post-LN Transformer layer for each stream."""

    def __init__(self, config: LayeredConfig) -> None:
        """Make the shared attention with its norm, and a layer for each stream."""
        super().__init__()
        width, heads = config.fused_dim, config.num_heads
        self.cross, self.cross_norm = Attention(width, heads), nn.LayerNorm(width)
        self.image = TransformerLayer(width, heads, config.dropout, norm_first=False)
        self.text = TransformerLayer(width, heads, config.dropout, norm_first=False)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, image: Tokens, text: Tokens) -> tuple[Tokens, Tokens]:
        """Update both streams; both directions read the states before the update."""
        to_image = self.dropout(self.cross(image.tokens, text.tokens, text.mask))
        to_text = self.dropout(self.cross(text.tokens, image.tokens, image.mask))
        new_image = self.image(self.cross_norm(image.tokens + to_image), image.mask)
        new_text = self.text(self.cross_norm(text.tokens + to_text), text.mask)
        return Tokens(new_image, image.mask), Tokens(new_text, text.mask)


@FUSIONS.register(
    "lxmert",
    config=LayeredConfig,
    reference="https://arxiv.org/abs/1908.07490",
    family="cross-attention",
    good_for="relations within each modality after it has seen the other; more parameters than cross_attention",
    oracle="transformers LxmertXLayer",
)
class LxmertFusion(FusionMechanism):
    """Attend across with shared weights, then within each stream, then feed forward.

    Per layer, post-LN: `V = LN(V + Att_x(V → T))`, `T = LN(T + Att_x(T → V))`, one `Att_x` and one LN for both, reading
    the states before the update; then `x = LN(x + Att(x → x))`, `x = LN(x + FF x)` for each stream with its own
    weights; fused = linear map of [mean V; mean T].

    Shape:
        fused.image (batch, image_tokens, fused_dim), fused.text (batch, text_tokens, fused_dim).

    Reference:
        Tan and Bansal 2019, https://arxiv.org/abs/1908.07490, section 2.2, with five layers. Ours reads out both means
        where the paper takes [CLS], and drops the key bias.
    """

    cross_attends = True
    stacks = ("layers",)

    def __init__(self, config: LayeredConfig) -> None:
        """Make the layers between the streams."""
        super().__init__(config)
        layers = (CrossModalityLayer(config) for _ in range(config.num_layers))
        self.streams = TwoStreams(config.image_dim, config.text_dim, config.fused_dim, layers)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Run the layers."""
        fused: Fused = self.streams(image, text)
        return fused
