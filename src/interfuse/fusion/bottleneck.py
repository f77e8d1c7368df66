"""MBT: the streams exchange what they know through a few bottleneck tokens only."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.settings import at_least
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import Readout, TransformerLayer


@dataclass(frozen=True)
class BottleneckConfig(LayeredConfig):
    """Settings of `BottleneckFusion`."""

    num_layers: int = 2
    """Layers; with one, nothing crosses from stream to stream."""
    num_bottlenecks: int = 4
    """Bottleneck tokens."""

    def __post_init__(self) -> None:
        """Refuse fewer than two layers and no bottleneck."""
        super().__post_init__()
        at_least("bottleneck", 2, num_layers=self.num_layers)
        at_least("bottleneck", 1, num_bottlenecks=self.num_bottlenecks)


@FUSIONS.register(
    "bottleneck",
    config=BottleneckConfig,
    reference="https://arxiv.org/abs/2107.00135",
    family="self-attention",
    good_for="long streams: attention stays within each, and costs no product of the two lengths",
    oracle="nn.TransformerEncoderLayer; no direct path from stream to stream",
)
class BottleneckFusion(FusionMechanism):
    """Let each stream attend to itself and to shared bottleneck tokens, which carry everything across.

    Per layer and stream m: `[Z_m; B_m] = Tr_m([Z_m; B])`, then `B = (B_v + B_t) / 2`; `Tr_m` a pre-LN Transformer layer
    of its own; then LN; fused = linear map of [mean Z_v; mean Z_t].

    Shape:
        fused.image (batch, image_tokens, fused_dim), fused.text (batch, text_tokens, fused_dim).

    Reference:
        Nagrani et al. 2021, https://arxiv.org/abs/2107.00135, equations 8 and 9. Ours fuses in every layer (the
        adapters' layers are those before fusion) and reads out both means where the paper averages [CLS] logits.
    """

    stacks = ("image_layers", "text_layers")

    def __init__(self, config: BottleneckConfig) -> None:
        """Make the projections, the bottlenecks, both stacks, the last norms and the readout."""
        super().__init__(config)
        width = config.fused_dim
        self.image, self.text = nn.Linear(config.image_dim, width), nn.Linear(config.text_dim, width)
        self.bottlenecks = nn.Parameter(torch.randn(config.num_bottlenecks, width) * 0.02)
        self.image_layers, self.text_layers = (
            nn.ModuleList(TransformerLayer(width, config.num_heads, config.dropout) for _ in range(config.num_layers))
            for _ in range(2)
        )
        self.image_norm, self.text_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.readout = Readout(width, width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Project, run both stacks side by side, normalise, read out."""
        image, text = Tokens(self.image(image.tokens), image.mask), Tokens(self.text(text.tokens), text.mask)
        shared = self.bottlenecks.expand(image.tokens.shape[0], -1, -1)
        for image_layer, text_layer in zip(self.image_layers, self.text_layers, strict=True):
            image, from_image = _run(image_layer, image, shared)
            text, from_text = _run(text_layer, text, shared)
            shared = (from_image + from_text) / 2
        image, text = Tokens(self.image_norm(image.tokens), image.mask), Tokens(self.text_norm(text.tokens), text.mask)
        return Fused(self.readout(image, text), image.tokens, text.tokens)


def _run(
    layer: nn.Module, stream: Tokens, shared: Float[Tensor, "batch bottlenecks fused_dim"]
) -> tuple[Tokens, Float[Tensor, "batch bottlenecks fused_dim"]]:
    """Run a layer over a stream and the bottlenecks, and part them again."""
    mask = torch.cat([stream.mask, stream.mask.new_ones(shared.shape[:2])], 1)
    tokens, own = layer(torch.cat([stream.tokens, shared], 1), mask).split([stream.mask.shape[1], shared.shape[1]], 1)
    return Tokens(tokens, stream.mask), own
