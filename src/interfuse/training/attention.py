"""Attention maps: which image tokens the text looked at, and which words the image looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interfuse.core.tokens import Tokens
from interfuse.nn import Attention, full_mask
from interfuse.nn.masked import masked_softmax
from interfuse.training.network import Network


@dataclass
class Captured:
    """The weights of one call of one attention."""

    name: str
    """Name of the module in the network."""
    weights: Float[Tensor, "batch heads queries keys"]
    answer: Tensor | None = field(default=None, repr=False)
    """What the call gave."""


@dataclass(frozen=True)
class AttentionMaps:
    """Weights averaged over heads and layers; None where the fusion has no attention of that direction."""

    image_to_text: Float[Tensor, "batch image_tokens text_tokens"] | None
    """Row: how an image token spreads its attention over the text tokens."""
    text_to_image: Float[Tensor, "batch text_tokens image_tokens"] | None
    """Row: how a text token spreads its attention over the image tokens."""


@contextmanager
def capture_attention(network: torch.nn.Module, differentiable: bool = False) -> Iterator[list[Captured]]:
    """Collect the weights of every call of every `nn.Attention` inside, in the order of the calls.

    What the network gives stays exactly what it was: the weights are computed beside it. With `differentiable` the
    answer is computed from the collected weights instead (the same up to rounding), so that its gradient reaches
    them.
    """
    found: list[Captured] = []
    modules = {name: module for name, module in network.named_modules() if isinstance(module, Attention)}
    for name, module in modules.items():
        module.attend = _watched(name, module, found, differentiable)  # type: ignore[method-assign]
    try:
        yield found
    finally:
        for module in modules.values():
            del module.attend  # the class's own is seen again


def _watched(name: str, module: Attention, found: list[Captured], differentiable: bool) -> Any:
    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = (x.unflatten(-1, (module.num_heads, -1)).transpose(1, 2) for x in (query, key, value))
        keys = full_mask(key) if mask is None else mask
        weights = masked_softmax(q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5, keys[:, None, None, :])
        if differentiable:
            answer: Tensor = module.out((weights @ v).transpose(1, 2).flatten(2))
        else:
            answer = Attention.attend(module, query, key, value, mask)
        found.append(Captured(name, weights, answer))
        return answer

    return attend


def pad_apart(image: Tokens, text: Tokens) -> Tokens:
    """Give the text a padding token where it is as wide as the image: captured weights are told apart by their size."""
    if image.mask.shape[1] != text.mask.shape[1]:
        return text
    return Tokens(
        torch.nn.functional.pad(text.tokens, (0, 0, 0, 1)), torch.nn.functional.pad(text.mask, (0, 1), value=False)
    )


@torch.no_grad()
def attention_maps(network: Network, image: Tokens, text: Tokens) -> AttentionMaps:
    """Average the fusion's attention between the modalities over heads and layers.

    Self-attention over both together (`merged_attention`) gives its two off-diagonal blocks: a row then need not sum
    to 1, for it also attends to its own modality. Keys under the mask have weight 0; rows under it are set to 0.

    Args:
        network: trained.
        image: one picture a row.
        text: one text a row.
    """
    network.eval()
    adapted_image, adapted_text = Tokens(*network.image_adapter(*image)), Tokens(*network.text_adapter(*text))
    padded = pad_apart(adapted_image, adapted_text)
    with capture_attention(network.fusion) as found:
        network.interact(adapted_image, padded)
    images, texts = adapted_image.mask.shape[1], padded.mask.shape[1]
    to_text, to_image = [], []
    for call in found:
        weights, shape = call.weights.mean(1), tuple(call.weights.shape[-2:])
        if shape == (images + texts, images + texts):
            to_text.append(weights[:, :images, images:])
            to_image.append(weights[:, images:, :images])
        elif shape == (images, texts):
            to_text.append(weights)
        elif shape == (texts, images):
            to_image.append(weights)
    width = adapted_text.mask.shape[1]
    return AttentionMaps(
        _average([part[:, :, :width] for part in to_text], adapted_image.mask),
        _average([part[:, :width] for part in to_image], adapted_text.mask),
    )


def _average(parts: list[Tensor], queries: Bool[Tensor, "batch queries"]) -> Tensor | None:
    if not parts:
        return None
    mean = torch.stack(parts).mean(0)
    return mean.where(queries.unsqueeze(-1), mean.new_zeros(()))
