"""MCAN: the text encodes itself, then guides the image's attention layer by layer."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import DecoderLayer, TransformerLayer, masked_softmax


@dataclass(frozen=True)
class McanConfig(LayeredConfig):
    """Settings of `McanFusion`."""

    num_layers: int = 2
    """Self-attention layers of the text and guided layers of the image; the paper has six of each."""


class AttentionReduction(nn.Module):
    """Pool a stream by a learned weight of each token: `Σ_i softmax_i(MLP(x_i)) x_i`."""

    def __init__(self, dim: int) -> None:
        """Make the two-layer network that scores a token; without a last bias, which softmax would not see."""
        super().__init__()
        self.score = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1, bias=False))

    def forward(self, stream: Tokens) -> Float[Tensor, "batch dim"]:
        """Weigh and sum the tokens of each row."""
        weights = masked_softmax(self.score(stream.tokens).squeeze(-1), stream.mask)
        return torch.einsum("bt,btd->bd", weights.to(stream.tokens.dtype), stream.tokens)


@FUSIONS.register(
    "mcan",
    config=McanConfig,
    reference="https://arxiv.org/abs/1906.10770",
    family="cross-attention",
    good_for="questions about a picture: the whole question is understood before the picture is searched",
    oracle="nn.TransformerEncoderLayer and nn.TransformerDecoderLayer",
)
class McanFusion(FusionMechanism):
    """Encode the text by self-attention, then let the encoded text guide the image's layers.

    Text, L times: `T = LN(T + Att(T → T))`, `T = LN(T + FF T)`. Image, L times: `V = LN(V + Att(V → V))`,
    `V = LN(V + Att(V → T))`, `V = LN(V + FF V)` with the last `T`. Each stream is pooled by
    `x̃ = Σ_i softmax_i(MLP(x_i)) x_i`; fused = `LN(W_v ṽ + W_t t̃)`.

    Shape:
        fused.image (batch, image_tokens, fused_dim), fused.text (batch, text_tokens, fused_dim).

    Reference:
        Yu et al. 2019, https://arxiv.org/abs/1906.10770, the encoder-decoder. Ours uses GELU in the feed-forward
        networks and PyTorch's LayerNorm; the published code's has an unbiased deviation and eps outside the root.
    """

    cross_attends = True
    stacks = ("text_layers", "image_layers")

    def __init__(self, config: McanConfig) -> None:
        """Make the projections, both stacks, both reductions and the last maps and norm."""
        super().__init__(config)
        width, heads = config.fused_dim, config.num_heads
        self.image, self.text = nn.Linear(config.image_dim, width), nn.Linear(config.text_dim, width)
        self.text_layers = nn.ModuleList(
            TransformerLayer(width, heads, config.dropout, norm_first=False) for _ in range(config.num_layers)
        )
        self.image_layers = nn.ModuleList(DecoderLayer(width, heads, config.dropout) for _ in range(config.num_layers))
        self.image_reduction, self.text_reduction = AttentionReduction(width), AttentionReduction(width)
        self.image_out, self.text_out = nn.Linear(width, width, bias=False), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Project, encode the text, guide the image, reduce, add, normalise."""
        image, text = Tokens(self.image(image.tokens), image.mask), Tokens(self.text(text.tokens), text.mask)
        for layer in self.text_layers:
            text = Tokens(layer(*text), text.mask)
        for layer in self.image_layers:
            image = layer(image, text)
        summed = self.image_out(self.image_reduction(image)) + self.text_out(self.text_reduction(text))
        return Fused(self.norm(summed), image.tokens, text.tokens)
