"""AdamW by parameter group, and the schedule: a linear warmup, then a cosine."""

import math

import torch
from torch import nn

from interfuse.core.design import Design


def make_optimiser(network: nn.Module, design: Design) -> torch.optim.AdamW:
    """Make AdamW whose weight decay acts on the weights of linear maps alone.

    Biases, norms, positions and learned tokens are not decayed: the group is chosen by the module that holds the
    parameter, not by the parameter's name or number of dimensions.

    Reference:
        Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101.
    """
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad:
                is_weight = isinstance(module, nn.Linear | nn.Bilinear | nn.Conv1d) and name == "weight"
                (decayed if is_weight else kept).append(parameter)
    groups = [{"params": decayed, "weight_decay": design.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=design.learning_rate, fused=True)


def make_schedule(optimiser: torch.optim.Optimizer, design: Design, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """Make the schedule over `steps` optimiser steps."""
    warm = max(1, round(design.warmup * steps))

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * (step - warm + 1) / max(1, steps - warm + 1)))

    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
