"""DFAF: attention between the modalities, then within each, gated by the other's pooled vector."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import Attention, TwoStreams, masked_mean


class Flow(nn.Module):
    """One stream's half of a block."""

    def __init__(self, config: LayeredConfig) -> None:
        """Make the attention to the other stream, the gate, and the gated attention to itself."""
        super().__init__()
        width = config.fused_dim
        self.inter = Attention(width, config.num_heads)
        self.merge = nn.Linear(2 * width, width)
        self.gate = nn.Linear(width, width)
        self.intra = Attention(width, config.num_heads)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(config.dropout)

    def between(self, stream: Tokens, other: Tokens) -> Tokens:
        """Attend to the other stream and merge what was found: `W [x; Att(x → y)]`."""
        context = self.dropout(self.inter(stream.tokens, other.tokens, other.mask))
        return Tokens(self.merge(torch.cat([stream.tokens, context], -1)), stream.mask)

    def within(self, stream: Tokens, other: Float[Tensor, "batch fused_dim"]) -> Tokens:
        """Attend to itself with queries and keys scaled by `1 + σ(W mean(y))`: `W (x + Att)`."""
        scale = 1 + torch.sigmoid(self.gate(other)).unsqueeze(1)  # (batch, 1, fused_dim)
        query, key, value = self.intra.project(stream.tokens)
        context = self.dropout(self.intra.attend(query * scale, key * scale, value, stream.mask))
        return Tokens(self.output(stream.tokens + context), stream.mask)


class FlowBlock(nn.Module):
    """Inter-modality flow, then dynamic intra-modality flow, of both streams."""

    def __init__(self, config: LayeredConfig) -> None:
        """Make a half for each stream."""
        super().__init__()
        self.image, self.text = Flow(config), Flow(config)

    def forward(self, image: Tokens, text: Tokens) -> tuple[Tokens, Tokens]:
        """Update both streams; both halves read the states before each step."""
        image, text = self.image.between(image, text), self.text.between(text, image)
        pooled_image, pooled_text = masked_mean(*image), masked_mean(*text)
        return self.image.within(image, pooled_text), self.text.within(text, pooled_image)


@FUSIONS.register(
    "dfaf",
    config=LayeredConfig,
    reference="https://arxiv.org/abs/1812.05252",
    family="cross-attention",
    good_for="relations within a modality that depend on what the other one says",
    oracle="formula on F.scaled_dot_product_attention",
)
class DfafFusion(FusionMechanism):
    """Attend between the streams, then within each with queries and keys gated by the other's mean.

    Per block: `V' = W [V; Att(V → T)]`, `T' = W [T; Att(T → V)]`; then with `g = 1 + σ(G mean(T'))`:
    `V = W (V' + softmax((g ⊙ Q)(g ⊙ K)ᵀ / √d) U)`, `Q, K, U` projections of `V'`, and the same for `T` gated by
    `mean(V')`; fused = linear map of [mean V; mean T].

    Shape:
        fused.image (batch, image_tokens, fused_dim), fused.text (batch, text_tokens, fused_dim).

    Reference:
        Gao et al. 2019, https://arxiv.org/abs/1812.05252, sections 3.2 and 3.3. Ours projects what each attention
        found and reads out both means by a linear map, so that a missing modality does not erase the other as in a
        product of the means.
    """

    cross_attends = True
    gates = ("gate",)
    stacks = ("layers",)

    def __init__(self, config: LayeredConfig) -> None:
        """Make the blocks between the streams."""
        super().__init__(config)
        layers = (FlowBlock(config) for _ in range(config.num_layers))
        self.streams = TwoStreams(config.image_dim, config.text_dim, config.fused_dim, layers)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Run the blocks."""
        fused: Fused = self.streams(image, text)
        return fused
