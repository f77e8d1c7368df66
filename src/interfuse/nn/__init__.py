"""Blocks and masked operations: tensors in, tensors out."""

from interfuse.nn.attention import Attention, check_heads
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
from interfuse.nn.perceptron import GatedTanh, Perceptron
from interfuse.nn.positions import Positions, sinusoid

__all__ = [
    "Attention",
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
    "check_heads",
    "clean",
    "full_mask",
    "masked_max",
    "masked_mean",
    "masked_softmax",
    "one_at_least",
    "sinusoid",
]
