"""Flamingo's gated cross-attention: the text looks at the image through gates that start closed."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionMechanism, LayeredConfig
from interfuse.nn import Attention, FeedForward, Readout


class GatedCrossLayer(nn.Module):
    """One layer: `T += tanh(α) Att(LN T → V)`, `T += tanh(β) FF(LN T)`, `α = β = 0` at first."""

    def __init__(self, config: LayeredConfig) -> None:
        """Make the attention, the feed-forward network, their norms and their gates."""
        super().__init__()
        width = config.fused_dim
        self.attention_norm, self.attention = nn.LayerNorm(width), Attention(width, config.num_heads)
        self.forward_norm, self.feed_forward = nn.LayerNorm(width), FeedForward(width)
        self.attention_gate, self.forward_gate = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self, text: Float[Tensor, "batch text_tokens fused_dim"], image: Tokens
    ) -> Float[Tensor, "batch text_tokens fused_dim"]:
        """Update the text by what it finds in the image."""
        context = self.dropout(self.attention(self.attention_norm(text), image.tokens, image.mask))
        text = text + self.attention_gate.tanh() * context
        updated: Tensor = text + self.forward_gate.tanh() * self.dropout(self.feed_forward(self.forward_norm(text)))
        return updated


@FUSIONS.register(
    "gated_cross_attention",
    config=LayeredConfig,
    reference="https://arxiv.org/abs/2204.14198",
    family="cross-attention",
    good_for="a text model that must not be disturbed at first: training starts from the text stream as it was",
    oracle="transformers IdeficsGatedCrossAttentionLayer; identity at initialisation",
)
class GatedCrossAttentionFusion(FusionMechanism):
    """Let the text attend to the image through tanh gates that start at zero.

    Per layer: `T += tanh(α) Att(LN T → V)`, `T += tanh(β) FF(LN T)`, scalars `α = β = 0` at first, so that the layer is
    the identity and nothing behind a gate has a gradient at step 0; fused = linear map of [mean V; mean T].

    Shape:
        fused.image (batch, image_tokens, fused_dim), the projected image; fused.text (batch, text_tokens, fused_dim).

    Reference:
        Alayrac et al. 2022, https://arxiv.org/abs/2204.14198, figure 4. Ours reads out the projected image beside the
        text, so that a row without text still has its image; its feed-forward network has GELU.
    """

    cross_attends = True
    zero_gates = ("attention_gate", "forward_gate")
    stacks = ("layers",)

    def __init__(self, config: LayeredConfig) -> None:
        """Make the projections, the layers and the readout."""
        super().__init__(config)
        width = config.fused_dim
        self.image, self.text = nn.Linear(config.image_dim, width), nn.Linear(config.text_dim, width)
        self.layers = nn.ModuleList(GatedCrossLayer(config) for _ in range(config.num_layers))
        self.readout = Readout(width, width, width)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Project, run the layers over the text, read out."""
        image, tokens = Tokens(self.image(image.tokens), image.mask), self.text(text.tokens)
        for layer in self.layers:
            tokens = layer(tokens, image)
        return Fused(self.readout(image, Tokens(tokens, text.mask)), image.tokens, tokens)
