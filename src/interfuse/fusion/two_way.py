"""SAM's two-way block: the text looks at the image, thinks, and the image looks back."""

from torch import nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import Attention, DecoderLayer, TwoStreams


class TwoWayBlock(nn.Module):
    """A decoder layer of the text over the image, then attention of the image over the new text."""

    def __init__(self, config: LayeredConfig) -> None:
        """Make the text's layer, and the image's attention and norm."""
        super().__init__()
        width, heads = config.fused_dim, config.num_heads
        self.text = DecoderLayer(width, heads, config.dropout)
        self.image, self.image_norm = Attention(width, heads), nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, image: Tokens, text: Tokens) -> tuple[Tokens, Tokens]:
        """Update the text, then the image by the updated text."""
        text = self.text(text, image)
        update = self.dropout(self.image(image.tokens, text.tokens, text.mask))
        return Tokens(self.image_norm(image.tokens + update), image.mask), text


@FUSIONS.register(
    "two_way",
    config=LayeredConfig,
    reference="https://arxiv.org/abs/2304.02643",
    family="cross-attention",
    good_for="few text tokens that prompt many image tokens: the image's update is one attention, no feed-forward",
    oracle="transformers SamTwoWayAttentionBlock",
)
class TwoWayFusion(FusionMechanism):
    """Update the text by itself and by the image, then the image by the new text.

    Per block, post-LN: `T = LN(T + Att(T → T))`, `T = LN(T + Att(T → V))`, `T = LN(T + FF T)`,
    `V = LN(V + Att(V → T))`; fused = linear map of [mean V; mean T].

    Shape:
        fused.image (batch, image_tokens, fused_dim), fused.text (batch, text_tokens, fused_dim).

    Reference:
        The mask decoder of Kirillov et al. 2023, https://arxiv.org/abs/2304.02643, appendix A, which has two
        blocks. Ours attends at full
        width, uses GELU, leaves positions to whoever makes the tokens, and keeps the first self-attention's residual.
    """

    cross_attends = True
    stacks = ("layers",)

    def __init__(self, config: LayeredConfig) -> None:
        """Make the blocks between the streams."""
        super().__init__(config)
        layers = (TwoWayBlock(config) for _ in range(config.num_layers))
        self.streams = TwoStreams(config.image_dim, config.text_dim, config.fused_dim, layers)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Run the blocks."""
        fused: Fused = self.streams(image, text)
        return fused
