"""AdamW by parameter group, and the schedule: a linear warmup, then a cosine."""

import math
from typing import Any

import torch
from torch import nn

from interfuse.core.design import Design
from interfuse.training.trainable_encoder import TrainableEncoder

LINEAR = (nn.Linear, nn.Bilinear, nn.Conv1d, nn.Conv2d)
"""Linear maps, whose weights are decayed."""


def make_optimiser(network: nn.Module, design: Design) -> torch.optim.AdamW:
    """Make AdamW whose weight decay acts on the weights of linear maps alone.

    Biases, norms, positions and learned tokens are not decayed: the group is chosen by the module that holds the
    parameter, not by the parameter's name or number of dimensions. An encoder that learns too has a rate of its own.

    Reference:
        Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101.
    """
    towers = [module for module in network.modules() if isinstance(module, TrainableEncoder)]
    inside = {id(module) for tower in towers for module in tower.modules()}
    groups = _groups([m for m in network.modules() if id(m) not in inside], design.learning_rate, design.weight_decay)
    for tower in towers:
        groups += _groups(list(tower.modules()), tower.learning_rate, design.weight_decay)
    return torch.optim.AdamW(groups, lr=design.learning_rate, fused=True)


def _groups(modules: list[nn.Module], rate: int | float, decay: int | float) -> list[dict[str, Any]]:
    """Return two parameter groups of what these modules hold themselves: with weight decay, and without."""
    weights: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for module in modules:
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                is_weight = isinstance(module, LINEAR) and name == "weight"
                (weights if is_weight else others).append(parameter)
    return [
        {"params": weights, "weight_decay": decay, "lr": rate},
        {"params": others, "weight_decay": 0.0, "lr": rate},
    ]


def make_schedule(optimiser: torch.optim.Optimizer, design: Design, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Make the schedule over `steps` optimiser steps."""
    warm = max(1, round(design.warmup * steps))

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm + 1) / max(1, steps - warm + 1)))

    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
