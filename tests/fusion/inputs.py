"""Inputs for mechanism tests; sizes are distinct primes or prime multiples so that no axis passes for another."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from interfuse.fusion import FUSIONS, FusionMechanism, OneKeyAttentionWarning, create_fusion

BATCH, IMAGE_TOKENS, TEXT_TOKENS, IMAGE_DIM, TEXT_DIM, FUSED_DIM = 3, 5, 7, 11, 13, 34


class Inputs(NamedTuple):
    image: Tensor
    text: Tensor
    image_mask: Tensor
    text_mask: Tensor


def build(name: str, **settings: object) -> FusionMechanism:
    torch.manual_seed(0)
    heads = {"num_heads": 2} if "num_heads" in FUSIONS.entry(name).config.__dataclass_fields__ else {}
    widths = {"image_dim": IMAGE_DIM, "text_dim": TEXT_DIM, "fused_dim": FUSED_DIM}
    return create_fusion(name, **{**widths, **heads, **settings}).eval()


def make_inputs(dtype: torch.dtype = torch.float32, batch: int = BATCH, seed: int = 1) -> Inputs:
    """Rows of unequal length; the first is full."""
    draw = torch.Generator().manual_seed(seed)
    image = torch.randn(batch, IMAGE_TOKENS, IMAGE_DIM, generator=draw, dtype=dtype)
    text = torch.randn(batch, TEXT_TOKENS, TEXT_DIM, generator=draw, dtype=dtype)
    image_length = torch.arange(batch) % 3  # 5, 4, 3 tokens
    text_length = 2 * (torch.arange(batch) % 3)  # 7, 5, 3 tokens
    image_mask = torch.arange(IMAGE_TOKENS) < IMAGE_TOKENS - image_length[:, None]
    text_mask = torch.arange(TEXT_TOKENS) < TEXT_TOKENS - text_length[:, None]
    return Inputs(image, text, image_mask, text_mask)


def silent(fuse: FusionMechanism, *inputs: Tensor) -> Tensor:
    """Fuse one token a row without the warning that it deserves."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OneKeyAttentionWarning)
        vector: Tensor = fuse(*inputs).vector
    return vector
