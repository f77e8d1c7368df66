"""The original's module: one multi-head attention serves text→image and image→text."""

import torch.nn.functional as F
from torch import Tensor, nn

from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, AttentionConfig, FusionMechanism
from interfuse.nn import Attention, Readout


@FUSIONS.register(
    "shared_cross_attention",
    config=AttentionConfig,
    reference="https://arxiv.org/abs/1908.07490",
    family="cross-attention",
    good_for="the original's answer to early fusion: the fewest parameters that attend both ways",
    oracle="the original's computation on nn.MultiheadAttention",
)
class SharedCrossAttentionFusion(FusionMechanism):
    """Let text attend to image and image to text with the same attention weights.

    `p = W_i V`, `q = W_t T`; `V' = LN(V + Att(p → q))`, `T' = LN(T + Att(q → p))`, one `Att` for both, LN without
    affine, residual from the unprojected `V` and `T`; fused = linear map of [mean V'; mean T'].

    Shape:
        fused.image (batch, image_tokens, fused_dim), fused.text (batch, text_tokens, fused_dim).

    Reference:
        The original write-up's module; LXMERT also shares both ways, https://arxiv.org/abs/1908.07490. Ours takes
        masks, any widths (the residual is then taken from the projected tokens) and no key bias.
    """

    cross_attends = True

    def __init__(self, config: AttentionConfig) -> None:
        """Make both projections, the one attention and the readout."""
        super().__init__(config)
        width = config.fused_dim
        self.image = nn.Linear(config.image_dim, width)
        self.text = nn.Linear(config.text_dim, width)
        self.attention = Attention(width, config.num_heads)
        self.dropout = nn.Dropout(config.dropout)
        self.readout = Readout(width, width, width)
        self.plain_residual = config.image_dim == config.text_dim == width

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Project, attend both ways, add the residual, normalise, read out."""
        p, q = self.image(image.tokens), self.text(text.tokens)
        old = (image.tokens, text.tokens) if self.plain_residual else (p, q)
        updates = map(self.dropout, self.attend_both_ways(Tokens(p, image.mask), Tokens(q, text.mask)))
        new_image, new_text = (  # an update without a name is gone from memory once it is added
            F.layer_norm(stream + update, (self.config.fused_dim,)) for stream, update in zip(old, updates, strict=True)
        )
        vector = self.readout(Tokens(new_image, image.mask), Tokens(new_text, text.mask))
        return Fused(vector, new_image, new_text)

    def attend_both_ways(self, image: Tokens, text: Tokens) -> tuple[Tensor, Tensor]:
        """Attend from image to text and from text to image."""
        image_query, image_key, image_value = self.attention.project(image.tokens)
        text_query, text_key, text_value = self.attention.project(text.tokens)
        to_image = self.attention.attend(image_query, text_key, text_value, text.mask)
        return to_image, self.attention.attend(text_query, image_key, image_value, image.mask)
