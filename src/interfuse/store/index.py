"""Which item lies where: sorted arrays, so that a million items open in a moment and take little memory."""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from interfuse.core.errors import StoreError
from interfuse.core.files import write_atomically
from interfuse.store.shard import Header

SNAPSHOT = "index.snapshot"
COLUMNS = {"shard": "<i4", "start": "<i4", "length": "<i4", "checksum": "<u4"}
Facts = Mapping[str, tuple[int, int]]
"""Shard's name to its size in bytes and its time of change in nanoseconds."""


@dataclass(frozen=True)
class Index:
    """Items sorted by key; of several copies the one in the shard whose name sorts first comes first."""

    keys: np.ndarray
    """(items,) of 16 bytes."""
    shard: np.ndarray
    start: np.ndarray
    """First token of the item in its shard."""
    length: np.ndarray
    checksum: np.ndarray

    def __len__(self) -> int:
        """Count the copies."""
        return len(self.keys)

    def find(self, keys: np.ndarray) -> np.ndarray:
        """Return the first copy of each key, or -1."""
        if not len(self.keys):
            return np.full(len(keys), -1, dtype=np.int64)
        rows = np.searchsorted(self.keys, keys)
        rows[rows == len(self.keys)] = 0
        rows[self.keys[rows] != keys] = -1
        return rows

    def copies(self, key: np.ndarray) -> range:
        """Return every copy of one key, an array of one."""
        return range(*(int(np.searchsorted(self.keys, key, side)[0]) for side in ("left", "right")))


EMPTY = Index(np.empty(0, "S16"), *(np.empty(0, dtype) for dtype in COLUMNS.values()))


def merge(parts: Sequence[Index], names: Sequence[str]) -> Index:
    """Join indices; `names` are the shards' names by number."""
    if not parts:
        return EMPTY
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("keys", *COLUMNS)}
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.argsort(np.array(names))] = np.arange(len(names))
    halves = columns["keys"].view(">u8").reshape(-1, 2)
    order = np.lexsort((rank[columns["shard"]], halves[:, 1], halves[:, 0]))
    return Index(**{name: column[order] for name, column in columns.items()})


def key_array(keys: Sequence[str]) -> np.ndarray:
    """Turn keys of 32 hex digits into an array of 16 bytes each."""
    return np.frombuffer(bytes.fromhex("".join(keys)), dtype="S16")


def write_snapshot(folder: Path, index: Index, names: Sequence[str], facts: Facts, width: int) -> None:
    """Write an index of many shards as one file, so that opening does not read each of them."""
    columns = {name: np.ascontiguousarray(getattr(index, name), dtype) for name, dtype in COLUMNS.items()}
    columns["keys"] = np.ascontiguousarray(index.keys).view("u1").reshape(-1, 16)
    metadata = {
        "format": "1",
        "width": str(width),
        "shards": json.dumps([[name, *facts[name]] for name in names]),
        "checksum": str(_checksum(columns)),
    }
    write_atomically(folder / SNAPSHOT, lambda temporary: save_file(columns, temporary, metadata=metadata))


def read_snapshot(folder: Path, facts: Facts, width: int) -> tuple[Index, list[str]] | None:
    """Map the snapshot, if there is one, it is sound, and its shards are there and unchanged."""
    try:
        header = Header(folder / SNAPSHOT)
        shards = json.loads(header.metadata["shards"])
        stale = any(facts.get(name) != (size, changed) for name, size, changed in shards)
        if stale or (header.metadata["format"], header.metadata["width"]) != ("1", str(width)):
            return None
        columns = {name: header.map(name, dtype) for name, dtype in COLUMNS.items()}
        columns["keys"] = header.map("keys", "u1")
        if str(_checksum(columns)) != header.metadata["checksum"]:
            return None
    except (StoreError, OSError, ValueError, LookupError, TypeError):
        return None  # it is only a shortcut; the shards know all
    keys = columns.pop("keys").view("S16").reshape(-1)
    return Index(keys, **columns), [name for name, *_ in shards]


def _checksum(columns: Mapping[str, np.ndarray]) -> int:
    total = 0
    for name in sorted(columns):
        total = zlib.crc32(columns[name].data.cast("B"), total)
    return total
