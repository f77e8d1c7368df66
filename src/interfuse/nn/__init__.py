"""Blocks and masked operations: tensors in, tensors out."""

from interfuse.nn.attention import Attention, AttentionWeights, check_heads
from interfuse.nn.bilinear import (
    LARGEST_WEIGHT,
    check_outer,
    outer,
    power_normalise,
    signed_sqrt,
    unit_linear,
    unit_rms,
)
from interfuse.nn.blocks import (
    CrossLayer,
    DecoderLayer,
    FeedForward,
    GatedLinear,
    Readout,
    TransformerLayer,
    TwoStreams,
)
from interfuse.nn.masked import clean, full_mask, masked_max, masked_mean, masked_softmax, one_at_least
from interfuse.nn.perceptron import GatedTanh, Perceptron, ValueGate
from interfuse.nn.positions import Positions, sinusoid

__all__ = [
    "LARGEST_WEIGHT",
    "Attention",
    "AttentionWeights",
    "CrossLayer",
    "DecoderLayer",
    "FeedForward",
    "GatedLinear",
    "GatedTanh",
    "Perceptron",
    "Positions",
    "Readout",
    "TransformerLayer",
    "TwoStreams",
    "ValueGate",
    "check_heads",
    "check_outer",
    "clean",
    "full_mask",
    "masked_max",
    "masked_mean",
    "masked_softmax",
    "one_at_least",
    "outer",
    "power_normalise",
    "signed_sqrt",
    "sinusoid",
    "unit_linear",
    "unit_rms",
]
