"""Training-time methods that balance the modalities; they act on any mechanism, by parameter group.

A modality's group is its adapter: every parameter of it, whatever its name or number of dimensions.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

SMALLEST_OVERFITTING = 1e-4
"""Least square of the overfitting that gradient blending divides by; the loss is of the order of 1."""


def true_class_score(logits: Float[Tensor, "batch classes"], labels: Tensor, task: str) -> Float[Tensor, ""]:
    """Return the sum over the batch of the probability that these logits give to the truth.

    Multilabel: the mean over the labels of the probability of each label's true state. Regression: `exp(−½ (y − ŷ)²)`,
    both standardised.
    """
    if task == "regression":
        return (-0.5 * (logits[:, 0] - labels).square()).exp().sum()
    if task == "multilabel":
        return torch.where(labels > 0.5, logits.sigmoid(), (-logits).sigmoid()).mean(1).sum()
    return logits.softmax(-1).gather(1, labels.unsqueeze(1)).sum()


def ogm_coefficients(
    image_score: Float[Tensor, ""], text_score: Float[Tensor, ""], alpha: int | float
) -> Float[Tensor, " modalities"]:
    """Return the factors of the image's and the text's gradients: `1 − tanh(α ρ)` for the one ahead, 1 for the other.

    `ρ` is the ratio of the scores, that ahead over that behind; where they are equal nothing is held back.

    Reference:
        Peng et al. 2022, https://arxiv.org/abs/2203.15332, equations 8 to 10. Ours takes the scores from the unimodal
        heads, so that any mechanism has them.
    """
    ratio = torch.stack([image_score / text_score, text_score / image_score])
    return torch.where(ratio > 1, 1 - torch.tanh(alpha * ratio), torch.ones_like(ratio))


def modulate(parameters: Iterable[nn.Parameter], coefficient: Float[Tensor, ""]) -> None:
    """Scale each gradient and add Gaussian noise of the gradient's own deviation (generalisation enhancement)."""
    for parameter in parameters:
        if parameter.grad is None:
            continue
        grad = parameter.grad
        spread = grad.std(correction=0) if grad.numel() > 1 else grad.new_zeros(())
        parameter.grad = grad * coefficient + torch.randn_like(grad) * spread


@dataclass(frozen=True)
class Losses:
    """Mean losses of the fused, the image and the text head at one moment."""

    train: Float[Tensor, " heads"]
    validation: Float[Tensor, " heads"]


def blending_weights(before: Losses, after: Losses) -> Float[Tensor, " heads"]:
    """Return the weight of each head's loss, by how well it generalises for how much it overfits: `w ∝ G / O²`, sum 1.

    `G` is the fall of the validation loss between both moments, none where it rose; `O` the growth of the gap between
    validation and train loss, its square at least 1e-4. Where no head generalises, the weights are equal.

    Reference:
        Wang et al. 2020, https://arxiv.org/abs/1905.12681, equation 5 and proposition 1. The clips are ours.
    """
    gain = (before.validation - after.validation).clamp_min(0)
    overfitting = (after.validation - after.train) - (before.validation - before.train)
    weights = gain / overfitting.square().clamp_min(SMALLEST_OVERFITTING)
    total = weights.sum()
    return torch.where(total > 0, weights / total, torch.full_like(weights, 1 / len(weights)))
