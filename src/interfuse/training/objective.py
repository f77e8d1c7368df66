"""The objective: what is minimised, by task, with class weights and focusing where the design asks for them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.tasks import is_single_class
from interfuse.data import Features

_SURE = 1e-8
"""Least distance from sure that is raised to γ: the power's slope at 0 is infinite for γ below 1."""


@dataclass(frozen=True)
class Objective:
    """The loss of a task; the mean over the batch.

    multiclass, matching: `w_y · (1 − p_y)^γ · −log p_y`. multilabel: the mean over the labels of
    `(1 − q)^γ · −w log q`, `q` the probability of the label's true state, `w` its weight where it is set, else 1.
    regression: `(z − ŷ)²`, with `z = (y − mean) / std` over the train rows.

    Reference:
        Focusing: Lin et al. 2017, https://arxiv.org/abs/1708.02002, equation 4; its α is left to the class weights.
    """

    task: str
    gamma: float = 0.0
    """Focusing γ; 0: plain cross-entropy."""
    weights: Float[Tensor, " classes"] | None = None
    """None: every class counts alike."""
    mean: float = 0.0
    """Of the train rows' numbers, for regression."""
    std: float = 1.0

    def __call__(self, logits: Float[Tensor, "batch classes"], labels: Tensor) -> Float[Tensor, ""]:
        """Compute the loss."""
        weights = None if self.weights is None else self.weights.to(logits.device)
        if self.task == "regression":
            return F.mse_loss(logits[:, 0], (labels - self.mean) / self.std)
        if self.task == "multilabel":
            return self._multilabel(logits, labels, weights)
        if self.gamma == 0 and weights is None:
            return F.cross_entropy(logits, labels)
        log_probs = logits.log_softmax(-1).gather(1, labels.unsqueeze(1)).squeeze(1)
        losses = -log_probs * (1 - log_probs.exp()).clamp_min(_SURE) ** self.gamma if self.gamma else -log_probs
        return (losses if weights is None else losses * weights[labels]).mean()

    def _multilabel(self, logits: Tensor, labels: Tensor, weights: Tensor | None) -> Tensor:
        losses = F.binary_cross_entropy_with_logits(logits, labels, pos_weight=weights, reduction="none")
        if self.gamma:
            wrong = torch.where(labels > 0.5, (-logits).sigmoid(), logits.sigmoid())  # 1 − q
            losses = losses * wrong.clamp_min(_SURE) ** self.gamma
        return losses.mean()

    @property
    def unlearnt(self) -> float:
        """Loss of the mean answer over the train rows where a batch may tell far less: of numbers with a long tail."""
        return 1.0 if self.task == "regression" else 0.0

    def decode(self, logits: Float[Tensor, "rows classes"]) -> Float[Tensor, "rows classes"]:
        """Return the probabilities of logits; for regression the numbers of standardised ones."""
        return logits * self.std + self.mean if self.task == "regression" else to_probs(logits, self.task)

    def restandardise(self, head: nn.Module) -> None:
        """Undo `unstandardise`, so that a trained network can learn on."""
        if self.task == "regression":
            last = next(module for module in reversed(list(head.modules())) if isinstance(module, nn.Linear))
            with torch.no_grad():
                last.weight.div_(self.std)
                last.bias.sub_(self.mean).div_(self.std)

    def unstandardise(self, head: nn.Module) -> None:
        """Build a regression's scale into its last linear map, so that the network gives the numbers themselves."""
        if self.task == "regression":
            last = next(module for module in reversed(list(head.modules())) if isinstance(module, nn.Linear))
            with torch.no_grad():
                last.weight.mul_(self.std)
                last.bias.mul_(self.std).add_(self.mean)


def make_objective(design: Design, features: Features) -> Objective:
    """Make the design's objective; weights and scale are measured on the train rows.

    `class_weights = balanced`: `w_c = n / (C n_c)` with n_c of the n train rows in class c and C classes that occur, so
    that the mean weight of a row is 1; for multilabel `w_c = (n − n_c) / n_c`; a class that never occurs counts 1.

    Raises:
        ConfigError: the design's objective is not for this task.
    """
    check_objective(design, features.task)
    task, labels = features.task, features.labels[features.splits["train"]]
    gamma = design.focal_gamma if design.objective == "focal" else 0.0
    if task != "regression":
        return Objective(task, gamma, _balance(labels, features) if design.class_weights == "balanced" else None)
    mean, std = float(labels.double().mean()), float(labels.double().std(correction=0))
    return Objective(task, mean=mean, std=std or 1.0)


def check_objective(design: Design, task: str) -> None:
    """Refuse an objective for classes where the task is regression.

    Raises:
        ConfigError: the design's objective is not for this task.
    """
    for name, plain in (("objective", "auto"), ("class_weights", "none")):
        if task == "regression" and getattr(design, name) != plain:
            raise ConfigError(
                f"design {design.name!r}: {name}={getattr(design, name)} is for classes, and the task is regression, "
                f"which minimises the squared error. Fix: {name}={plain}."
            )


def _balance(labels: Tensor, features: Features) -> Tensor:
    classes = len(features.label_names)
    if is_single_class(features.task):
        counts = labels.bincount(minlength=classes).float()
        weights = len(labels) / (counts.clamp_min(1) * (counts > 0).sum())
    else:
        counts = labels.sum(0)
        weights = (len(labels) - counts) / counts.clamp_min(1)
    return weights.where((counts > 0) & (weights > 0), torch.ones(()))


def to_probs(logits: Float[Tensor, "rows classes"], task: str) -> Float[Tensor, "rows classes"]:
    """Return the probabilities of a trained network's logits; for regression they are the numbers already."""
    if task == "regression":
        return logits
    return logits.sigmoid() if task == "multilabel" else logits.softmax(-1)
