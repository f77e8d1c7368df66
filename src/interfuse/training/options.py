"""Options of a training beside its hyperparameters: precision, device, callback, checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from interfuse.settings import Precision
from interfuse.training.checkpoint import Checkpoint

Callback = Callable[[int, str], None]
"""Called with the steps done since the last call and a note to show beside the bar."""


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training beside its hyperparameters, which are the design's."""

    precision: Precision = "auto"
    """Of the training step; evaluation is always float32."""
    device: str = "cpu"
    """cpu, or any other word for the accelerator that the machine has."""
    on_step: Callback | None = None
    """Called after every step and every epoch."""
    checkpoint: Checkpoint | None = None
    """Where the state is kept between epochs."""


def resolve_precision(precision: Precision, dim: int, device: str = "cpu") -> Literal["float32", "bfloat16"]:
    """Return bfloat16, for autocast, where the processor multiplies it natively and wide matrices gain by it."""
    if precision != "auto":
        return precision
    if device != "cpu" and torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    native = torch.backends.cpu.get_cpu_capability() == "AVX512" and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bfloat16" if native and dim >= 64 else "float32"


def no_callback(steps: int, note: str) -> None:
    """Do nothing after a step."""
