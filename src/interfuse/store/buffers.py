"""Memory for batches, used again: the pages of new memory cost more than copying the tokens into them."""

import math
import mmap
import sys
import threading

import torch
from torch import Tensor

_MAPPED_BYTES = 1 << 20
KEPT_BYTES = 512 << 20
"""Bytes of free buffers that are kept at most; beyond, they go back to the system at once."""
_IDLE = 3
"""References to a buffer that nobody uses: the list's, the loop's and that of `getrefcount`."""


class Buffers:
    """Mapped memory that is lent to tensors; a buffer is free again when the last tensor over it is gone."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        """Begin with none."""
        self.kept_bytes = kept_bytes
        self._all: list[mmap.mmap] = []
        self._guard = threading.Lock()

    def empty(self, *shape: int) -> Tensor:
        """Return a float32 tensor; what it holds is arbitrary."""
        count = math.prod(shape)
        if count * 4 < _MAPPED_BYTES:
            return torch.empty(*shape)
        with self._guard:
            return torch.frombuffer(self._free(count * 4), dtype=torch.float32, count=count).view(*shape)

    def _free(self, size: int) -> mmap.mmap:
        """Find a free buffer of this size up to twice of it, else make one."""
        idle = [buffer for buffer in self._all if sys.getrefcount(buffer) <= _IDLE]
        fitting = [buffer for buffer in idle if size <= len(buffer) <= 2 * size]
        if fitting:
            smallest = min(fitting, key=len)
            self._all.remove(smallest)  # to the end: what was used last is dropped last
            self._all.append(smallest)
            return smallest
        fresh = mmap.mmap(-1, size + size // 8)  # a little more, for the next batch that is a little longer
        self._all.append(fresh)
        over = sum(map(len, self._all)) - self.kept_bytes
        for buffer in idle:
            if over > 0:
                over -= len(buffer)
                self._all.remove(buffer)
        return fresh


BUFFERS = Buffers()
