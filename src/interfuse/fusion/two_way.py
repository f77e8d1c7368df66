"""SAM's two-way block: the text looks at the image, thinks, and the image looks back."""

from dataclasses import dataclass

from torch import nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, AttentionConfig, FusionMechanism
from interfuse.nn import Attention, DecoderLayer, Readout


@dataclass(frozen=True)
class TwoWayConfig(AttentionConfig):
    """Settings of `TwoWayFusion`."""

    num_layers: int = 1
    """Two-way blocks; the paper has two."""

    def __post_init__(self) -> None:
        """Refuse no blocks."""
        super().__post_init__()
        at_least("two_way", 1, num_layers=self.num_layers)


class TwoWayBlock(nn.Module):
    """A decoder layer of the text over the image, then attention of the image over the new text."""

    def __init__(self, config: TwoWayConfig) -> None:
        """Make the text's layer, and the image's attention and norm."""
        super().__init__()
        width, heads = config.fused_dim, config.num_heads
        self.text = DecoderLayer(width, heads, config.dropout)
        self.image, self.image_norm = Attention(width, heads), nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, image: Tokens, text: Tokens) -> tuple[Tokens, Tokens]:
        """Update the text, then the image by the updated text."""
        text = self.text(text, image)
        found = self.dropout(self.image(image.tokens, text.tokens, text.mask))
        return Tokens(self.image_norm(image.tokens + found), image.mask), text


@FUSIONS.register(
    "two_way",
    config=TwoWayConfig,
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
        The mask decoder of Kirillov et al. 2023, https://arxiv.org/abs/2304.02643, appendix A. Ours attends at full
        width, uses GELU, leaves positions to whoever makes the tokens, and keeps the first self-attention's residual.
    """

    cross_attends = True

    def __init__(self, config: TwoWayConfig) -> None:
        """Make the projections, the blocks and the readout."""
        super().__init__(config)
        width = config.fused_dim
        self.image, self.text = nn.Linear(config.image_dim, width), nn.Linear(config.text_dim, width)
        self.layers = nn.ModuleList(TwoWayBlock(config) for _ in range(config.num_layers))
        self.readout = Readout(width, width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Project, run the blocks, read out."""
        image, text = Tokens(self.image(image.tokens), image.mask), Tokens(self.text(text.tokens), text.mask)
        for layer in self.layers:
            image, text = layer(image, text)
        return Fused(self.readout(image, text), image.tokens, text.tokens)
