"""Relevance: attention weighed by the gradient of one answer, through every attention of the network.

It is no measure of what the answer rests on: on `known:binding` the asked word is its greatest in a tenth of the rows,
where occlusion finds it in nearly all.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from interfuse.core.tokens import Tokens
from interfuse.explain.attention import AttentionCall, Kind, capture_attention, find_kinds
from interfuse.training import Network

TINY = 1e-12
"""Row sums are at least this: before the first layer they are 0, and 0 / 0 is NaN."""


@dataclass(frozen=True)
class Relevance:
    """Gradient × attention of each token for one class; 0 under the mask."""

    image: Float[Tensor, "batch image_tokens"]
    text: Float[Tensor, "batch text_tokens"]


def relevance(network: Network, image: Tokens, text: Tokens, classes: Int64[Tensor, " batch"]) -> Relevance | None:
    """Follow the attention that speaks for a class back to the tokens; None where there is none to follow.

    That is where the network never attends, where its fusion attends through latents, queries or bottlenecks, of which
    the rules say nothing, and where no attention moved any answer.

    With `Ā = mean over heads of (∂logit/∂A ⊙ A)⁺` and R the identity within each modality and zero between:
    self-attention of s: `R^ss += Ā R^ss`, `R^sq += Ā R^sq`; s attending to q: `R^sq += R̄^ssᵀ Ā R̄^qq`,
    `R^ss += Ā R^qs`, where `R̄ = I + rows of (R − I), each divided by its sum`; both directions of a layer read the R
    before it. One distribution over all pairs is both directions of a layer. Self-attention over both together:
    `R += Ā R` on the whole of R. The answer averages the tokens, so token j's relevance is `mean over its modality's
    real rows of (R − I) + mean over the other's real rows of R`.

    Args:
        network: trained.
        image: one picture a row.
        text: one text a row.
        classes: whose logit is explained.

    Reference:
        Chefer et al. 2021, https://arxiv.org/abs/2103.15679, equations 5 to 11. Ours clamps the row sums, which are
        0 / 0 where the first layer is cross-attention, and averages rows where theirs reads the [CLS] token's.
    """
    network.eval()
    with torch.enable_grad(), capture_attention(network, differentiable=True) as calls:
        v, t = (Tokens(part.tokens.detach().clone().requires_grad_(), part.mask) for part in (image, text))
        adapted_image, adapted_text = Tokens(*network.image_adapter(*v)), Tokens(*network.text_adapter(*t))
        logits = network.interact(adapted_image, adapted_text)
        if not calls:
            return None
        answer = logits.gather(1, classes[:, None]).sum()
        grads = torch.autograd.grad(answer, [call.weights for call in calls], allow_unused=True)
    kinds = _with_adapters(calls, find_kinds(network.fusion, adapted_image, adapted_text))
    moving = [(kind, call, grad) for kind, call, grad in zip(kinds, calls, grads, strict=True) if grad is not None]
    if any(kind in ("→image", "other") for kind, _, _ in moving):
        return None
    images, texts = adapted_image.mask.shape[1], adapted_text.mask.shape[1]
    start = torch.eye(images + texts, dtype=logits.dtype, device=logits.device)
    flow = start.expand(len(logits), -1, -1)
    for layer in _layers(_attention_by_gradient(moving)):
        flow = flow + sum(_follow(flow, kind, attention, images) for kind, attention in layer)
    flow = flow - start
    by_image, by_text = (
        _mean_rows(flow[:, :images], adapted_image.mask),
        _mean_rows(flow[:, images:], adapted_text.mask),
    )
    both = by_image + by_text
    both = both.where(torch.cat([adapted_image.mask, adapted_text.mask], 1), both.new_zeros(()))
    return Relevance(both[:, :images], both[:, images:]) if both.any() else None


def _with_adapters(calls: list[AttentionCall], kinds: list[Kind]) -> list[Kind]:
    """Return every call's kind, from those of the fusion; an adapter attends within its modality."""
    fused = iter(kinds)
    return [
        "image" if call.name.startswith("image_adapter") else "text" if call.name.startswith("text_") else next(fused)
        for call in calls
    ]


def _attention_by_gradient(moving: list[tuple[Kind, AttentionCall, Tensor]]) -> Iterator[tuple[Kind, Tensor]]:
    """Return each call's Ā; pairs are both directions."""
    for kind, call, grad in moving:
        attention = (grad * call.weights).clamp_min(0).mean(1).detach()
        if kind == "pairs":
            yield "image→text", attention
            yield "text→image", attention.mT
        else:
            yield kind, attention


def _layers(calls: Iterator[tuple[Kind, Tensor]]) -> list[list[tuple[Kind, Tensor]]]:
    """Return the calls by layer: the two directions of one layer together."""
    layers: list[list[tuple[Kind, Tensor]]] = []
    for kind, attention in calls:
        last = layers[-1] if layers else []
        if "→" in kind and len(last) == 1 and "→" in last[0][0] and last[0][0] != kind:
            last.append((kind, attention))
        else:
            layers.append([(kind, attention)])
    return layers


def _follow(flow: Tensor, kind: Kind, attention: Tensor, images: int) -> Tensor:
    """Return what one attention adds to R."""
    if kind == "joint":
        return attention @ flow
    image, text = slice(None, images), slice(images, None)
    s, q = (image, text) if kind.startswith("image") else (text, image)
    update = torch.zeros_like(flow)
    if "→" in kind:
        update[:, s, q] = _normalise(flow[:, s, s]).transpose(1, 2) @ attention @ _normalise(flow[:, q, q])
        update[:, s, s] = attention @ flow[:, q, s]
    else:
        update[:, s] = attention @ flow[:, s]
    return update


def _normalise(square: Float[Tensor, "batch tokens tokens"]) -> Float[Tensor, "batch tokens tokens"]:
    """Return `I + rows of (R − I), each divided by its sum`."""
    one = torch.eye(square.shape[1], dtype=square.dtype, device=square.device)
    gain = square - one
    return one + gain / gain.sum(-1, keepdim=True).clamp_min(TINY)


def _mean_rows(rows: Float[Tensor, "batch rows columns"], mask: Bool[Tensor, "batch rows"]) -> Tensor:
    """Average the real rows."""
    real = rows.where(mask.unsqueeze(-1), rows.new_zeros(()))
    return real.sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
