"""Blocks and masked operations: tensors in, tensors out."""

from interfuse.nn.attention import Attention, check_heads
from interfuse.nn.bilinear import (
    LARGEST_WEIGHT,
    check_outer,
    outer,
    power_normalise,
    signed_sqrt,
    unit_linear,
    unit_rms,
)
from interfuse.nn.blocks import FeedForward, GatedLinear, Readout, TransformerLayer
from interfuse.nn.masked import clean, full_mask, masked_max, masked_mean, masked_softmax
from interfuse.nn.positions import Positions, sinusoid

__all__ = [
    "LARGEST_WEIGHT",
    "Attention",
    "FeedForward",
    "GatedLinear",
    "Positions",
    "Readout",
    "TransformerLayer",
    "check_heads",
    "check_outer",
    "clean",
    "full_mask",
    "masked_max",
    "masked_mean",
    "masked_softmax",
    "outer",
    "power_normalise",
    "signed_sqrt",
    "sinusoid",
    "unit_linear",
    "unit_rms",
]
