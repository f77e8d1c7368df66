"""A shard: one append-only file of tokens with their keys, lengths and checksums, memory-mapped when read."""

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from interfuse.core.errors import StoreError
from interfuse.core.files import write_atomically

SUFFIX = ".tokens.safetensors"
FORMAT = "2"
"""Changes when the meaning of the bytes does; 2: the checksum covers the key too."""
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error, SafetensorError)
"""What reading a header raises when one of its bytes has changed."""


@dataclass(frozen=True)
class ShardIndex:
    """Which items a shard holds, and where."""

    path: Path
    keys: list[str]
    starts: np.ndarray
    lengths: np.ndarray
    checksums: np.ndarray


def write_shard(path: Path, items: dict[str, Tensor]) -> None:
    """Write items as one file, atomically.

    Args:
        path: where; its name ends in `SUFFIX`.
        items: key (32 hex digits) to tokens (tokens, dim).
    """
    tokens = torch.cat(list(items.values()))
    lengths = torch.tensor([len(value) for value in items.values()], dtype=torch.int64)
    keys = torch.from_numpy(np.frombuffer(bytes.fromhex("".join(items)), dtype=np.uint8).copy()).view(-1, 16)
    checksums = torch.tensor([checksum(key, value) for key, value in items.items()], dtype=torch.int64)
    content = {"tokens": tokens, "lengths": lengths, "keys": keys, "checksums": checksums}
    write_atomically(path, lambda temporary: save_file(content, temporary, metadata={"format": FORMAT}))


def read_index(path: Path, dim: int) -> ShardIndex:
    """Read which items a shard holds, without its tokens.

    Raises:
        StoreError: the file is cut short, is no shard, has another format, or its tokens are not `dim` wide.
    """
    try:
        with path.open("rb") as handle:
            header_bytes = struct.unpack("<Q", handle.read(8))[0]
            header = json.loads(handle.read(min(header_bytes, 1 << 20)))
        promised = 8 + header_bytes + max(entry["data_offsets"][1] for entry in header.values() if "dtype" in entry)
        if path.stat().st_size != promised:
            raise StoreError(f"{path.name} has {path.stat().st_size:,} bytes, its header promises {promised:,}.")
        with safe_open(path, framework="pt") as shard:
            lengths = shard.get_tensor("lengths").numpy().copy()
            keys = shard.get_tensor("keys").numpy().copy()
            checksums = shard.get_tensor("checksums").numpy().copy()
            total, width = shard.get_slice("tokens").get_shape()
            form = (shard.metadata() or {}).get("format", "1")
    except _DAMAGE as error:
        raise StoreError(f"{path.name} is no shard: {error}") from error
    if form != FORMAT:
        raise StoreError(f"{path.name} has the format {form}, expected {FORMAT}.")
    if width != dim:
        raise StoreError(f"{path.name} has tokens of width {width}, expected {dim}.")
    if (
        keys.shape[1:] != (16,)
        or (lengths < 1).any()
        or int(lengths.sum()) != total
        or len(keys) != len(lengths)
        or len(checksums) != len(lengths)
    ):
        raise StoreError(f"{path.name}: its index does not fit its {total:,} tokens.")
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    return ShardIndex(path, [bytes(key).hex() for key in keys], starts, lengths, checksums)


def map_tokens(path: Path) -> Tensor:
    """Map a shard's tokens (all tokens, dim) into memory; pages are read when they are touched."""
    with safe_open(path, framework="pt") as shard:
        tokens: Tensor = shard.get_tensor("tokens")
    return tokens


def checksum(key: str, tokens: Tensor) -> int:
    """CRC-32 of the key and the tokens' bytes, so that a damaged key does not serve another item's tokens."""
    return zlib.crc32(tokens.contiguous().view(torch.uint8).numpy().data, zlib.crc32(bytes.fromhex(key)))
