"""Distributed training: who the processes are, and which rows of a batch each has."""

from interfuse.training.distributed.processes import join, leave, total, wait, world
from interfuse.training.distributed.split_batches import Share, check_shares, share_epoch

__all__ = [
    "Share",
    "check_shares",
    "join",
    "leave",
    "share_epoch",
    "total",
    "wait",
    "world",
]
