"""Blocks and masked operations: tensors in, tensors out."""

from interfuse.nn.attention import Attention, check_heads
from interfuse.nn.blocks import FeedForward, GatedLinear, Readout, TransformerLayer
from interfuse.nn.masked import clean, full_mask, masked_max, masked_mean, masked_softmax, one_at_least
from interfuse.nn.perceptron import GatedTanh, Perceptron
from interfuse.nn.positions import Positions, sinusoid

__all__ = [
    "Attention",
    "FeedForward",
    "GatedLinear",
    "GatedTanh",
    "Perceptron",
    "Positions",
    "Readout",
    "TransformerLayer",
    "check_heads",
    "clean",
    "full_mask",
    "masked_max",
    "masked_mean",
    "masked_softmax",
    "one_at_least",
    "sinusoid",
]
