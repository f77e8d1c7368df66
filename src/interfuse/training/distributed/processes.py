"""Distributed training and prediction: processes started by torchrun, joined by Accelerate."""

import torch
from accelerate.state import PartialState
from accelerate.utils import reduce
from torch import Tensor

from interfuse.core.processes import World, launched

_joined: list[bool] = []
"""Not empty where this process joined the others: someone else's process group is not ours to wait in."""


def join(device: str = "cpu") -> World:
    """Meet the processes that torchrun started beside this one; alone, nothing happens.

    Args:
        device: cpu (they talk by gloo), or any other word for the accelerator that the machine has.
    """
    if launched().size > 1 and not _joined:
        PartialState(cpu=device == "cpu")
        _joined.append(True)
    return world()


def leave() -> None:
    """Part from the other processes, before this one ends."""
    if _joined and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        _joined.clear()


def world() -> World:
    """Return which of the joined processes this is."""
    if not (_joined and torch.distributed.is_initialized()):
        return World()
    return World(torch.distributed.get_rank(), torch.distributed.get_world_size())


def total(tensor: Tensor) -> Tensor:
    """Return the sum over all processes, element by element (all-reduce)."""
    if world().size == 1:
        return tensor
    summed: Tensor = reduce(tensor.to(PartialState().device), "sum")
    return summed.to(tensor.device)


def wait() -> None:
    """Wait until every process is here (a barrier)."""
    if world().size > 1:
        PartialState().wait_for_everyone()
