"""A shard: one file of tokens with their keys, lengths and checksums, written once, memory-mapped when read.

The container is safetensors, so any tool that reads it reads a shard: `tokens` (all tokens, width) in the order of
the items, `lengths`, `keys` (16 bytes an item) and `checksums`.
"""

import json
import mmap
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from interfuse.core.errors import StoreError
from interfuse.core.files import write_atomically

SUFFIX = ".tokens.safetensors"
FORMAT = "2"
"""Changes when the meaning of the bytes does; 2: the checksum covers the key too."""
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error, OverflowError)
"""What reading a header raises when one of its bytes has changed."""
_MAX_HEADER = 1 << 28
_DTYPES = {"BF16": torch.bfloat16, "F32": torch.float32, "I8": torch.int8}


class Header:
    """Where the tensors of a safetensors file lie."""

    def __init__(self, path: Path) -> None:
        """Read the header; nothing else is read.

        Raises:
            StoreError: the file is cut short, or is no safetensors file.
        """
        self.path = path
        try:
            with path.open("rb") as handle:
                size = struct.unpack("<Q", handle.read(8))[0]
                if size > _MAX_HEADER:
                    raise ValueError(f"its header claims {size:,} bytes")
                self.entries: dict[str, Any] = json.loads(handle.read(size))
            self.metadata: dict[str, str] = self.entries.pop("__metadata__", None) or {}
            self.begin = 8 + size
            end = self.begin + max(entry["data_offsets"][1] for entry in self.entries.values())
            if path.stat().st_size != end:
                raise StoreError(f"{path.name} has {path.stat().st_size:,} bytes, its header promises {end:,}.")
        except _DAMAGE as error:
            raise StoreError(f"{path.name} is no shard: {error}") from error

    def place(self, name: str) -> tuple[int, tuple[int, ...]]:
        """Return the offset in the file and the shape of a tensor."""
        entry = self.entries[name]
        return self.begin + int(entry["data_offsets"][0]), tuple(entry["shape"])

    def map(self, name: str, dtype: str) -> np.ndarray:
        """Map a tensor as an array of this dtype."""
        offset, shape = self.place(name)
        array: np.ndarray = np.frombuffer(map_file(self.path), dtype, int(np.prod(shape)), offset).reshape(shape)
        return array


def map_file(path: Path) -> mmap.mmap:
    """Map a file; private and writable, since torch warns of arrays that are not, but nothing writes to it."""
    with path.open("rb") as handle:
        return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_COPY)


def write_shard(path: Path, items: dict[str, Tensor]) -> None:
    """Write items as one file, atomically.

    Args:
        path: where; its name ends in `SUFFIX`.
        items: key (32 hex digits) to tokens (tokens, width), bfloat16, float32 or int8.
    """
    tokens = torch.cat(list(items.values()))
    lengths = torch.tensor([len(value) for value in items.values()], dtype=torch.int64)
    keys = torch.from_numpy(np.frombuffer(bytes.fromhex("".join(items)), dtype=np.uint8).copy()).view(-1, 16)
    checksums = torch.tensor([checksum(key, value) for key, value in items.items()], dtype=torch.int64)
    content = {"tokens": tokens, "lengths": lengths, "keys": keys, "checksums": checksums}
    write_atomically(path, lambda temporary: save_file(content, temporary, metadata={"format": FORMAT}))


def read_items(path: Path, width: int, dtype: torch.dtype) -> dict[str, np.ndarray]:
    """Read which items a shard holds, without its tokens: arrays `keys`, `start`, `length` and `checksum`.

    Raises:
        StoreError: the file is cut short, is no shard, has another format, or its tokens are not `width` wide.
    """
    header = Header(path)
    try:
        lengths, checksums = (header.map(name, "<i8") for name in ("lengths", "checksums"))
        keys = header.map("keys", "u1")
        (total, token_width), kind = header.place("tokens")[1], _DTYPES.get(header.entries["tokens"]["dtype"])
        spans = {name: header.entries[name]["data_offsets"] for name in header.entries}
        fits = spans["tokens"][1] - spans["tokens"][0] == total * token_width * dtype.itemsize
    except _DAMAGE as error:
        raise StoreError(f"{path.name} is no shard: {error}") from error
    form = header.metadata.get("format", "1")
    if form != FORMAT:
        raise StoreError(f"{path.name} has the format {form}, expected {FORMAT}.")
    if token_width != width or kind != dtype:
        raise StoreError(f"{path.name} has {kind} tokens of width {token_width}, expected {width} of {dtype}.")
    if (
        not fits
        or keys.shape[1:] != (16,)
        or not len(keys) == len(lengths) == len(checksums)
        or (lengths < 1).any()
        or int(lengths.sum()) != total
    ):
        raise StoreError(f"{path.name}: its index does not fit its {total:,} tokens.")
    starts = np.cumsum(lengths) - lengths
    return {
        "keys": np.ascontiguousarray(keys).view("S16").reshape(-1).copy(),
        "start": starts.astype(np.int32),
        "length": lengths.astype(np.int32),
        "checksum": checksums.astype(np.uint32),
    }


def map_tokens(path: Path) -> Tensor:
    """Map a shard's tokens (all tokens, width) into memory; pages are read when they are touched."""
    header = Header(path)
    offset, (total, width) = header.place("tokens")
    dtype = _DTYPES[header.entries["tokens"]["dtype"]]
    tokens: Tensor = torch.frombuffer(map_file(path), dtype=dtype, count=total * width, offset=offset)
    return tokens.view(total, width)


def tensor_dtype(header: Header) -> torch.dtype:
    """Return the dtype of a shard's tokens.

    Raises:
        LookupError: it is none that a store writes.
    """
    return _DTYPES[header.entries["tokens"]["dtype"]]


def checksum(key: str, tokens: Tensor) -> int:
    """CRC-32 of the key and the tokens' bytes, so that a damaged key does not serve another item's tokens."""
    return resume_checksum(zlib.crc32(bytes.fromhex(key)), tokens)


def resume_checksum(key_checksum: int, tokens: Tensor) -> int:
    """CRC-32 of an item whose key's CRC-32 is known."""
    return zlib.crc32(tokens.contiguous().view(torch.uint8).numpy().data, key_checksum)
