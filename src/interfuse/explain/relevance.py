"""Relevance: how much each image and text token moved one answer, through every attention of the network."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from interfuse.core.tokens import Tokens
from interfuse.explain.attention import Captured, Kind, capture_attention, tell_kinds
from interfuse.training import Network

TINY = 1e-12
"""Row sums are at least this: before the first layer they are 0, and 0 / 0 is NaN."""


@dataclass(frozen=True)
class Relevance:
    """Relevance of each token to one class; 0 under the mask."""

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
    with torch.enable_grad(), capture_attention(network, differentiable=True) as found:
        v, t = (Tokens(part.tokens.detach().clone().requires_grad_(), part.mask) for part in (image, text))
        adapted_image, adapted_text = Tokens(*network.image_adapter(*v)), Tokens(*network.text_adapter(*t))
        logits = network.interact(adapted_image, adapted_text)
        if not found:
            return None
        chosen = logits.gather(1, classes[:, None]).sum()
        grads = torch.autograd.grad(chosen, [call.weights for call in found], allow_unused=True)
    kinds = _with_adapters(found, tell_kinds(network.fusion, adapted_image, adapted_text))
    moving = [(kind, call, grad) for kind, call, grad in zip(kinds, found, grads, strict=True) if grad is not None]
    if any(kind in ("→image", "other") for kind, _, _ in moving):
        return None
    images, texts = adapted_image.mask.shape[1], adapted_text.mask.shape[1]
    start = torch.eye(images + texts, dtype=logits.dtype, device=logits.device)
    flow = start.expand(len(logits), -1, -1)
    for layer in _layers(_moved(moving)):
        flow = flow + sum(_follow(flow, kind, moved, images) for kind, moved in layer)
    flow = flow - start
    by_image, by_text = (
        _mean_rows(flow[:, :images], adapted_image.mask),
        _mean_rows(flow[:, images:], adapted_text.mask),
    )
    both = by_image + by_text
    both = both.where(torch.cat([adapted_image.mask, adapted_text.mask], 1), both.new_zeros(()))
    return Relevance(both[:, :images], both[:, images:]) if both.any() else None


def _with_adapters(found: list[Captured], kinds: list[Kind]) -> list[Kind]:
    """Return every call's kind, from those of the fusion; an adapter attends within its modality."""
    fused = iter(kinds)
    return [
        "image" if call.name.startswith("image_adapter") else "text" if call.name.startswith("text_") else next(fused)
        for call in found
    ]


def _moved(moving: list[tuple[Kind, Captured, Tensor]]) -> Iterator[tuple[Kind, Tensor]]:
    """Return each call's Ā; pairs are both directions."""
    for kind, call, grad in moving:
        moved = (grad * call.weights).clamp_min(0).mean(1).detach()
        if kind == "pairs":
            yield "image→text", moved
            yield "text→image", moved.mT
        else:
            yield kind, moved


def _layers(calls: Iterator[tuple[Kind, Tensor]]) -> list[list[tuple[Kind, Tensor]]]:
    """Put the two directions of one layer together."""
    layers: list[list[tuple[Kind, Tensor]]] = []
    for kind, moved in calls:
        last = layers[-1] if layers else []
        if "→" in kind and len(last) == 1 and "→" in last[0][0] and last[0][0] != kind:
            last.append((kind, moved))
        else:
            layers.append([(kind, moved)])
    return layers


def _follow(flow: Tensor, kind: Kind, moved: Tensor, images: int) -> Tensor:
    """Return what one attention adds to R."""
    if kind == "joint":
        return moved @ flow
    image, text = slice(None, images), slice(images, None)
    s, q = (image, text) if kind.startswith("image") else (text, image)
    added = torch.zeros_like(flow)
    if "→" in kind:
        added[:, s, q] = _normalise(flow[:, s, s]).transpose(1, 2) @ moved @ _normalise(flow[:, q, q])
        added[:, s, s] = moved @ flow[:, q, s]
    else:
        added[:, s] = moved @ flow[:, s]
    return added


def _normalise(square: Float[Tensor, "batch tokens tokens"]) -> Float[Tensor, "batch tokens tokens"]:
    """`I + rows of (R − I), each divided by its sum`."""
    one = torch.eye(square.shape[1], dtype=square.dtype, device=square.device)
    gained = square - one
    return one + gained / gained.sum(-1, keepdim=True).clamp_min(TINY)


def _mean_rows(rows: Float[Tensor, "batch rows columns"], mask: Bool[Tensor, "batch rows"]) -> Tensor:
    """Average the real rows."""
    kept = rows.where(mask.unsqueeze(-1), rows.new_zeros(()))
    return kept.sum(1) / mask.sum(1, keepdim=True).clamp_min(1)
