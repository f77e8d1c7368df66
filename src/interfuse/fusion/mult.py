"""MulT: crossmodal Transformers over convolved tokens, then self-attention within each stream."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.errors import ConfigError
from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import CrossLayer, Readout, TransformerLayer


@dataclass(frozen=True)
class MultConfig(LayeredConfig):
    """Settings of `MultFusion`."""

    num_layers: int = 2
    """Crossmodal layers of each stream; the paper has four or more."""
    self_layers: int = 1
    """Self-attention layers of each stream after them."""
    image_kernel: int = 1
    """Image tokens that one convolved token sees; 1 suits a picture's grid, whose neighbours are not on a line."""
    text_kernel: int = 3
    """Text tokens that one convolved token sees."""

    def __post_init__(self) -> None:
        """Refuse even kernels."""
        super().__post_init__()
        at_least("mult", 1, image_kernel=self.image_kernel, text_kernel=self.text_kernel)
        at_least("mult", 0, self_layers=self.self_layers)
        for name in ("image_kernel", "text_kernel"):
            if getattr(self, name) % 2 == 0:
                size = getattr(self, name)
                raise ConfigError(
                    f"mult: {name} must be odd, so that a token keeps its place, got {size}. Try {size + 1}."
                )


class Stream(nn.Module):
    """One target modality: crossmodal layers over the other's convolved tokens, then self-attention layers."""

    def __init__(self, config: MultConfig) -> None:
        """Make the layers and the norms that end both stacks."""
        super().__init__()
        width, heads, dropout = config.fused_dim, config.num_heads, config.dropout
        self.cross = nn.ModuleList(CrossLayer(width, heads, dropout) for _ in range(config.num_layers))
        self.cross_norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(TransformerLayer(width, heads, dropout) for _ in range(config.self_layers))
        self.norm = nn.LayerNorm(width) if config.self_layers else nn.Identity()

    def forward(self, stream: Tokens, source: Tokens) -> Tokens:
        """Update the stream; every crossmodal layer reads the source as it was before all layers."""
        tokens, mask = stream
        for cross in self.cross:
            tokens = cross(tokens, source.tokens, source.mask)
        tokens = self.cross_norm(tokens)
        for layer in self.layers:
            tokens = layer(tokens, mask)
        return Tokens(self.norm(tokens), mask)


@FUSIONS.register(
    "mult",
    config=MultConfig,
    reference="https://arxiv.org/abs/1906.00295",
    family="cross-attention",
    good_for="streams of unequal length and pace; each target keeps reading the other's low-level tokens",
    oracle="nn.Conv1d, nn.TransformerDecoderLayer and nn.TransformerEncoderLayer (pre-LN)",
)
class MultFusion(FusionMechanism):
    """Convolve each stream to one width, attend crossmodally layer after layer, then within the stream.

    `Z_v = Conv V`, `Z_t = Conv T`; for the target v, L times: `V += Att(LN V → LN Z_t)`, `V += FF(LN V)`, from
    `V = Z_v`; `V = LN V`; then self-attention layers and a last LN; the same for the target t;
    fused = linear map of [mean V; mean T].

    Shape:
        fused.image (batch, image_tokens, fused_dim), fused.text (batch, text_tokens, fused_dim).

    Reference:
        Tsai et al. 2019, https://arxiv.org/abs/1906.00295, section 3. The residuals are of the unnormalised tokens,
        as in the published code (the paper's equation 5 adds LN Z). Ours leaves positions to whoever makes the tokens,
        knows masks, and reads out both means where the paper takes the last token.
    """

    cross_attends = True
    stacks = ("cross", "layers")

    def __init__(self, config: MultConfig) -> None:
        """Make both convolutions, both streams and the readout."""
        super().__init__(config)
        width = config.fused_dim
        self.image_convolution = nn.Conv1d(
            config.image_dim, width, config.image_kernel, padding=config.image_kernel // 2, bias=False
        )
        self.text_convolution = nn.Conv1d(
            config.text_dim, width, config.text_kernel, padding=config.text_kernel // 2, bias=False
        )
        self.image, self.text = Stream(config), Stream(config)
        self.readout = Readout(width, width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Convolve, run both streams on the convolved tokens, read out."""
        image = Tokens(_convolve(self.image_convolution, image.tokens), image.mask)
        text = Tokens(_convolve(self.text_convolution, text.tokens), text.mask)
        new_image, new_text = self.image(image, text), self.text(text, image)
        return Fused(self.readout(new_image, new_text), new_image.tokens, new_text.tokens)


def _convolve(
    convolution: nn.Conv1d, tokens: Float[Tensor, "batch tokens dim"]
) -> Float[Tensor, "batch tokens fused_dim"]:
    """Convolve along the tokens; padding is given as zeros, as beyond the ends, and what falls on it stays masked."""
    if tokens.shape[1] == 0:  # a convolution refuses to have nothing to see
        return tokens.new_zeros(tokens.shape[0], 0, convolution.out_channels)
    convolved: Tensor = convolution(tokens.transpose(1, 2))
    return convolved.transpose(1, 2)
