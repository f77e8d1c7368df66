"""Multimodal adaptation gate: the image shifts every text token, but never by more than the token's own length."""

from dataclasses import dataclass

import torch
from torch import nn

from interfuse.core.errors import ConfigError
from interfuse.core.tokens import Fused, Tokens
from interfuse.fusion.base import FUSIONS, FusionConfig, FusionMechanism
from interfuse.nn import Readout, masked_mean


@dataclass(frozen=True)
class MagConfig(FusionConfig):
    """Settings of `MagFusion`."""

    beta: float = 1.0
    """The longest shift of a text token, as a multiple of the token's own norm."""
    dropout: float = 0.0
    """Dropout of the shifted tokens, fraction 0 to 1."""

    def __post_init__(self) -> None:
        """Refuse a shift that would always be zero."""
        super().__post_init__()
        if not self.beta > 0:
            raise ConfigError(f"mag: beta must be above 0, got beta={self.beta}: at 0 no token is shifted. Try beta=1.")


@FUSIONS.register(
    "mag",
    config=MagConfig,
    reference="https://arxiv.org/abs/1908.05787",
    family="gated",
    good_for="strong text tokens that the picture only nuances",
    oracle="MMSA BERT_MAG.MAG",
)
class MagFusion(FusionMechanism):
    """Shift every text token by a gated map of the image, at most `beta` times the token's norm.

    `g_i = ReLU(W_g [v; T_i])`, `h_i = g_i ⊙ W_v v`, `α_i = min(β ‖T_i‖ / ‖h_i‖, 1)`, `T'_i = LN(T_i + α_i h_i)`, biases
    understood, `v` the masked mean of the image; fused = linear map of [v; masked mean of T'].

    Shape:
        fused.text (batch, text_tokens, text_dim).

    Reference:
        Rahman et al. 2020, https://arxiv.org/abs/1908.05787, and its code for the place of the bias (inside
        the gate) and the 1e-6 beside `‖h‖`. The source shifts a word by the picture frame of its moment, inside BERT;
        a still picture has no moments, so ours shifts every token by the image's masked mean. Ours reads the vector
        from the image as well as the shifted text, so that it depends on the image when the text is missing.
    """

    def __init__(self, config: MagConfig) -> None:
        """Make the gate, the image's map, the norm and the readout."""
        super().__init__(config)
        self.beta = config.beta
        self.gate = nn.Linear(config.image_dim + config.text_dim, config.text_dim)
        self.image = nn.Linear(config.image_dim, config.text_dim)
        self.norm = nn.LayerNorm(config.text_dim)
        self.dropout = nn.Dropout(config.dropout)
        self.readout = Readout(config.image_dim, config.text_dim, config.fused_dim)

    def fuse(self, image: Tokens, text: Tokens) -> Fused:
        """Gate, bound the shift, add, normalise, read out."""
        v = masked_mean(*image).unsqueeze(1)  # (batch, 1, image_dim)
        both = torch.cat([v.expand(-1, text.tokens.shape[1], -1), text.tokens], -1)
        shift = self.gate(both).relu() * self.image(v)
        length = torch.linalg.vector_norm(shift, dim=-1, keepdim=True) + 1e-6
        bound = self.beta * torch.linalg.vector_norm(text.tokens, dim=-1, keepdim=True) / length
        shifted = self.dropout(self.norm(text.tokens + bound.clamp_max(1) * shift))
        return Fused(self.readout(image, Tokens(shifted, text.mask)), text=shifted)
