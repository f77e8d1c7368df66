"""A table over a store: tokens of chosen items, read from memory-mapped shards batch by batch."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from interfuse.core.errors import StoreError
from interfuse.core.tokens import Tokens
from interfuse.settings import Coding
from interfuse.store.buffers import BUFFERS
from interfuse.store.coding import from_rows
from interfuse.store.damage import bury
from interfuse.store.shard import map_tokens, resume_checksum


@dataclass(frozen=True)
class StoredTable:
    """A `TokenTable` over memory-mapped shards; item i takes some 20 bytes of memory, its tokens stay on disk.

    An item whose checksum was not compared yet is checked when it is first read.
    """

    dim: int
    grid: tuple[int, int] | None
    coding: Coding
    paths: tuple[Path, ...]
    shard: np.ndarray
    """Which of `paths` holds the item."""
    start: np.ndarray
    """First token in the shard."""
    length: np.ndarray
    checksum: np.ndarray
    key_checksum: np.ndarray
    """CRC-32 of the item's key, which its checksum goes on from."""
    sound: np.ndarray
    """Whether the checksum was compared in this process."""
    _maps: dict[int, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the memory maps behind: another process maps the shards anew."""
        return {**self.__dict__, "_maps": {}}

    def __len__(self) -> int:
        """Count the items."""
        return len(self.shard)

    def lengths(self, items: Int64[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
        """Count the tokens of these items; item -1 has none."""
        return torch.from_numpy(self._lengths(items.numpy()))

    def gather(self, items: Int64[Tensor, " batch"]) -> Tokens:
        """Collate the tokens of these items, float32, padded to the longest; item -1 is missing.

        Raises:
            StoreError: an item is damaged; it is listed, so that the next encoding replaces it.
        """
        numbers = items.numpy()
        lengths = self._lengths(numbers)
        width = max(1, int(lengths.max(initial=1)))
        tokens = BUFFERS.empty(len(numbers), width, self.dim)
        for slot, (item, length) in enumerate(zip(numbers.tolist(), lengths.tolist(), strict=True)):
            if item >= 0:
                from_rows(self.coding, self._rows(item, length), tokens[slot, :length])
            tokens[slot, length:] = 0
        return Tokens(tokens, torch.arange(width) < torch.from_numpy(lengths)[:, None])

    def _lengths(self, items: np.ndarray) -> np.ndarray:
        if not len(self):
            return np.zeros(len(items), dtype=np.int64)
        return np.where(items >= 0, self.length[np.maximum(items, 0)], 0).astype(np.int64)

    def _rows(self, item: int, length: int) -> Tensor:
        """Return an item's rows where they lie, checked when they are read for the first time."""
        number, start = int(self.shard[item]), int(self.start[item])
        if number not in self._maps:
            self._maps[number] = map_tokens(self.paths[number])
        rows = self._maps[number][start : start + length]
        if not self.sound[item]:
            if resume_checksum(int(self.key_checksum[item]), rows) != int(self.checksum[item]):
                path = self.paths[number]
                bury(path.parent, path.name, start)
                raise StoreError(
                    f"{path}: an item is damaged on disk (its checksum does not fit), so it was not served. "
                    "It is listed now: the same command again encodes it anew and goes on."
                )
            self.sound[item] = True
        return rows
