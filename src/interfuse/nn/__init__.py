"""Blocks and masked operations: tensors in, tensors out."""

from interfuse.nn.attention import Attention, check_heads
from interfuse.nn.blocks import CrossLayer, DecoderLayer, FeedForward, GatedLinear, Readout, TransformerLayer
from interfuse.nn.masked import clean, full_mask, masked_max, masked_mean, masked_softmax
from interfuse.nn.positions import Positions, sinusoid

__all__ = [
    "Attention",
    "CrossLayer",
    "DecoderLayer",
    "FeedForward",
    "GatedLinear",
    "Positions",
    "Readout",
    "TransformerLayer",
    "check_heads",
    "clean",
    "full_mask",
    "masked_max",
    "masked_mean",
    "masked_softmax",
    "sinusoid",
]
