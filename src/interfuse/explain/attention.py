"""Attention maps: which image tokens the text looked at, and which words the image looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interfuse.core.tokens import Tokens
from interfuse.nn import Attention, full_mask, masked_softmax
from interfuse.training import Network

Kind = Literal["image", "text", "image→text", "text→image", "pairs", "joint", "→image", "other"]
"""What an attention goes from and to.

`image`, `text`: within; `image→text`, `text→image`: query to key; `pairs`: one distribution over all pairs of them;
`joint`: image and text tokens together; `→image`: from latents, learned queries or a pooled text to the image tokens
and maybe to others behind them; `other`: through latents or bottlenecks.
"""


@dataclass
class AttentionCall:
    """The weights of one call of one attention."""

    name: str
    """Name of the module in the network."""
    weights: Float[Tensor, "batch heads queries keys"]
    answer: Tensor | None = field(default=None, repr=False)
    """What the call returned; nothing where the module gives weights alone."""
    pairs: bool = False
    """Whether the weights of all queries sum to 1 together, instead of each query's."""


@dataclass(frozen=True)
class AttentionMaps:
    """Weights averaged over heads and layers; None where the fusion has no attention of that kind."""

    image_to_text: Float[Tensor, "batch image_tokens text_tokens"] | None
    """Row: how an image token spreads its attention over the text tokens."""
    text_to_image: Float[Tensor, "batch text_tokens image_tokens"] | None
    """Row: how a text token spreads its attention over the image tokens."""
    over_image: Float[Tensor, "batch image_tokens"] | None
    """How queries that are no tokens (latents, learned queries, a pooled text) spread theirs, averaged over them."""
    attends: bool
    """Whether the fusion attends at all, be it through latents or bottlenecks that no map shows."""


@contextmanager
def capture_attention(network: torch.nn.Module, differentiable: bool = False) -> Iterator[list[AttentionCall]]:
    """Collect the weights of every call of every `nn.Attention` inside, in the order of the calls.

    So are those of every module that gives weights itself and says so by `weighs` (see `nn.AttentionWeights`).

    What the network gives stays exactly what it was: the weights are computed beside it. With `differentiable` the
    answer is computed from the collected weights instead (the same up to rounding), so that its gradient reaches
    them.

    Args:
        network: any module with attention inside.
        differentiable: whether a gradient shall reach the collected weights.
    """
    calls: list[AttentionCall] = []
    modules = {name: module for name, module in network.named_modules() if isinstance(module, Attention)}
    for name, module in modules.items():
        module.attend = _recording_attend(name, module, calls, differentiable)  # type: ignore[method-assign]
    hooks = [
        module.register_forward_hook(_recording_hook(name, calls, type(module).weighs == "pairs"))
        for name, module in network.named_modules()
        if getattr(type(module), "weighs", None) in ("keys", "pairs")
    ]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()
        for module in modules.values():
            del module.attend  # the class's own takes its place again


def _recording_attend(name: str, module: Attention, calls: list[AttentionCall], differentiable: bool) -> Any:
    def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = (x.unflatten(-1, (module.num_heads, -1)).transpose(1, 2) for x in (query, key, value))
        keys = full_mask(key) if mask is None else mask
        weights = masked_softmax(q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5, keys[:, None, None, :])
        if differentiable:
            answer: Tensor = module.out((weights @ v).transpose(1, 2).flatten(2))
        else:
            answer = Attention.attend(module, query, key, value, mask)
        calls.append(AttentionCall(name, weights, answer))
        return answer

    return attend


def _recording_hook(name: str, calls: list[AttentionCall], pairs: bool) -> Any:
    def hook(_: torch.nn.Module, __: Any, weights: Tensor) -> Tensor:
        by_head = weights if weights.dim() == 4 else weights[:, None, None]
        calls.append(AttentionCall(name, by_head, pairs=pairs))
        return by_head.view_as(weights)  # the network goes on with what was collected, so that its gradient reaches it

    return hook


@torch.no_grad()
def find_kinds(fusion: torch.nn.Module, image: Tokens, text: Tokens) -> list[Kind]:
    """Return what each attention of the fusion goes from and to, in the order of the calls.

    No size tells it: four bottlenecks are as many as the tokens of some text. So one row of zeros is fused at three
    sizes: what grows with the image holds its tokens, what does not change is the fusion's own. The image's second
    token is masked, so that the key without weight tells whether the image stands first.

    Args:
        fusion: in evaluation mode.
        image: tokens that it takes; their width and type matter alone.
        text: likewise.
    """
    runs = []
    for images, texts in ((2, 2), (3, 2), (2, 3)):
        v, t = (x.tokens.new_zeros(1, n, x.tokens.shape[2]) for x, n in ((image, images), (text, texts)))
        mask = torch.arange(images, device=v.device)[None] != 1
        with capture_attention(fusion) as calls:
            fusion(v, t, mask, torch.ones(1, texts, dtype=torch.bool, device=t.device))
        runs.append(calls)
    return [_find_kind(*sizes) for sizes in zip(*runs, strict=True)]


def _find_kind(call: AttentionCall, more_image: AttentionCall, more_text: AttentionCall) -> Kind:
    """Return one call's kind by its weights at three sizes."""
    sizes = zip(call.weights.shape[2:], more_image.weights.shape[2:], more_text.weights.shape[2:], strict=True)
    queries, keys = ((i - n, t - n, n - 2 * (i - n) - 2 * (t - n)) for n, i, t in sizes)  # image, text, own tokens
    if keys[0] and bool(call.weights[..., 1].any()):
        return "other"
    if queries[:2] == (0, 0) and keys[0] == 1:
        return "→image"
    kinds: dict[Any, Kind] = {
        ((1, 0, 0), (1, 0, 0)): "image",
        ((0, 1, 0), (0, 1, 0)): "text",
        ((1, 0, 0), (0, 1, 0)): "pairs" if call.pairs else "image→text",
        ((0, 1, 0), (1, 0, 0)): "text→image",
        ((1, 1, 0), (1, 1, 0)): "joint",
    }
    return kinds.get((queries, keys), "other")


@torch.no_grad()
def attention_maps(network: Network, image: Tokens, text: Tokens) -> AttentionMaps:
    """Average the fusion's attention between the modalities over heads and layers.

    Self-attention over both together (`merged_attention`) gives its two off-diagonal blocks: a row then need not sum
    to 1, for it also attends to its own modality. One distribution over all pairs (`bilinear_attention`) gives both
    maps, whose rows then sum to the token's share. Keys under the mask have weight 0; rows under it are set to 0.

    Args:
        network: trained.
        image: one picture a row.
        text: one text a row.
    """
    network.eval()
    adapted_image, adapted_text = Tokens(*network.image_adapter(*image)), Tokens(*network.text_adapter(*text))
    with capture_attention(network.fusion) as calls:
        network.interact(adapted_image, adapted_text)
    images = adapted_image.mask.shape[1]
    kinds = find_kinds(network.fusion, adapted_image, adapted_text) if calls else []
    to_text, to_image, over_image = [], [], []
    for kind, call in zip(kinds, calls, strict=True):
        weights = call.weights.mean(1)
        if kind == "joint":
            to_text.append(weights[:, :images, images:])
            to_image.append(weights[:, images:, :images])
        if kind in ("image→text", "pairs"):
            to_text.append(weights)
        if kind in ("text→image", "pairs"):
            to_image.append(weights if kind == "text→image" else weights.mT)
        if kind == "→image":
            over_image.append(weights[:, :, :images].mean(1))
    return AttentionMaps(
        _average(to_text, adapted_image.mask),
        _average(to_image, adapted_text.mask),
        torch.stack(over_image).mean(0) if over_image else None,
        bool(calls),
    )


def _average(parts: list[Tensor], queries: Bool[Tensor, "batch queries"]) -> Tensor | None:
    if not parts:
        return None
    mean = torch.stack(parts).mean(0)
    return mean.where(queries.unsqueeze(-1), mean.new_zeros(()))
