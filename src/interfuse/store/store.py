"""The token store: each distinct picture and text is encoded once, whoever asks, and never served wrong."""

import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from safetensors import SafetensorError
from torch import Tensor

from interfuse.core.errors import StoreError
from interfuse.core.files import read_json, write_json
from interfuse.core.settings import fingerprint
from interfuse.core.tokens import Tokens
from interfuse.store.shard import SUFFIX, ShardIndex, checksum, map_tokens, read_index, write_shard

SHARD_BYTES = 64 << 20
"""A shard is written when its tokens reach this size, in bytes; an interruption loses at most one."""
_STALE_SECONDS = 86_400.0
_KEY = re.compile(r"[0-9a-f]{32}")


class TokenStore:
    """The tokens of one encoder, in a folder of the root that is named by the encoder's signature.

    A shard that is cut short is ignored, and so is an item whose bytes no longer fit its checksum: both count as
    not there, and are encoded again. Several processes may write at once; of two copies of an item the one in the
    shard whose name sorts first is served.
    """

    def __init__(self, root: Path, signature: Mapping[str, Any], dim: int, grid: tuple[int, int] | None = None) -> None:
        """Open the folder of this encoder, or make it.

        Raises:
            StoreError: the folder cannot be written.
        """
        self.dim, self.grid = dim, grid
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", str(signature.get("name", "tokens"))).strip("-.")[-40:]
        self.folder = root / f"{readable}-{fingerprint(dict(signature))[:16]}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / "encoder.json").is_file():
                write_json(self.folder / "encoder.json", dict(signature))
        except OSError as error:
            raise StoreError(
                f"The token store {root} cannot be written: {error}. Give another folder with --store."
            ) from error
        self._check_owner(dict(signature))
        self.warnings: list[str] = []
        """What was found damaged, in words."""
        self._where: dict[str, list[tuple[int, int]]] = {}  # key -> every copy: (shard, place)
        self._shards: list[ShardIndex] = []
        self._names: set[str] = set()
        self._verified: set[str] = set()
        self._remove_stale()
        self.refresh()

    def refresh(self) -> None:
        """Take notice of shards that were written since."""
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if path.name in self._names or path.name.startswith("."):
                continue
            self._names.add(path.name)
            try:
                index = read_index(path, self.dim)
            except StoreError as error:
                self.warnings.append(f"{error} It is ignored; its items are encoded again.")
                continue
            self._shards.append(index)
            for place, key in enumerate(index.keys):
                self._file(key, len(self._shards) - 1, place)

    def _file(self, key: str, shard: int, place: int) -> None:
        """Note a copy of an item; the copy whose shard's name sorts first comes first, whenever it was noticed."""
        copies = self._where.setdefault(key, [])
        copies.append((shard, place))
        if len(copies) > 1:
            copies.sort(key=lambda copy: self._shards[copy[0]].path.name)
            self._verified.discard(key)

    def _check_owner(self, signature: dict[str, Any]) -> None:
        """Refuse a folder whose `encoder.json` is of another encoder, or cannot be read."""
        path = self.folder / "encoder.json"
        try:
            owner = read_json(path)
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read: {error}. Remove this file; it is written anew.") from error
        if owner != signature:
            raise StoreError(f"{self.folder} belongs to another encoder. Give another folder with --store.")

    def missing(self, keys: Iterable[str]) -> list[str]:
        """List the distinct keys that are not there or no longer sound, in the given order."""
        distinct = list(dict.fromkeys(keys))
        self._verify([key for key in distinct if key in self._where and key not in self._verified])
        return [key for key in distinct if key not in self._where]

    @contextmanager
    def writer(self) -> Iterator["Writer"]:
        """Collect new items; what was added is on disk when the context ends, also by an error."""
        writer = Writer(self)
        try:
            yield writer
        finally:
            writer.flush()

    def table(self, keys: Sequence[str]) -> "StoredTable":
        """Give a table whose item i is `keys[i]`.

        Raises:
            StoreError: a key is not there.
        """
        absent = self.missing(keys)
        if absent:
            raise StoreError(f"{len(absent):,} items are not in the store {self.folder}; the first: {absent[0]}.")
        where = np.array([self._where[key][0] for key in keys], dtype=np.int64).reshape(-1, 2)
        used, shard = np.unique(where[:, 0], return_inverse=True)
        spans = [(self._shards[s].starts[place], self._shards[s].lengths[place]) for s, place in where.tolist()]
        flat = np.array(spans, dtype=np.int64).reshape(-1, 2)
        return StoredTable(
            self.dim,
            self.grid,
            tuple(self._shards[s].path for s in used.tolist()),
            torch.from_numpy(shard.astype(np.int64)),
            torch.from_numpy(flat[:, 0].copy()),
            torch.from_numpy(flat[:, 1].copy()),
        )

    def _verify(self, keys: list[str]) -> None:
        """Compare each item's bytes with its checksum once a process; forget copies that do not fit."""
        maps: dict[int, Tensor] = {}
        for key in sorted(keys, key=lambda key: self._where[key][0]):
            copies, damaged = self._where[key], ""
            while copies and not self._is_sound(key, *copies[0], maps):
                damaged = self._shards[copies.pop(0)[0]].path.name
            if copies:  # a sound copy elsewhere stands in for a damaged one
                self._verified.add(key)
            else:
                del self._where[key]
                self.warnings.append(f"{damaged}: the item {key} is damaged; it is encoded again.")

    def _is_sound(self, key: str, shard: int, place: int, maps: dict[int, Tensor]) -> bool:
        index = self._shards[shard]
        if shard not in maps:
            maps[shard] = map_tokens(index.path)
        start, length = int(index.starts[place]), int(index.lengths[place])
        return checksum(key, maps[shard][start : start + length]) == int(index.checksums[place])

    def _remove_stale(self) -> None:
        for path in self.folder.glob(".*.tmp"):
            with suppress(FileNotFoundError):  # another process has just renamed or removed it
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()


class Writer:
    """Collects new items and writes a shard when there is enough."""

    def __init__(self, store: TokenStore) -> None:
        """Begin with nothing collected."""
        self.store = store
        self._items: dict[str, Tensor] = {}
        self._bytes = 0

    def add(self, key: str, tokens: Float[Tensor, "tokens dim"]) -> None:
        """Add one item, kept as bfloat16.

        Raises:
            StoreError: the key is no content hash, the width is another, or a value is not finite.
        """
        if not _KEY.fullmatch(key):
            raise StoreError(f"The key {key!r} is no content hash; expected 32 hex digits in lower case.")
        if tokens.shape[1] != self.store.dim or len(tokens) == 0:
            raise StoreError(f"Item {key} has shape {tuple(tokens.shape)}; expected (tokens, dim={self.store.dim}).")
        if not bool(tokens.isfinite().all()):
            raise StoreError(f"Item {key}: the encoder gave NaN or infinity. Use another precision for the encoder.")
        kept = tokens.detach().to("cpu", torch.bfloat16).clone()
        self._items[key] = kept
        self._bytes += kept.numel() * 2
        if self._bytes >= SHARD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was collected.

        Raises:
            StoreError: the disk is full or the folder cannot be written; what was there before stays good.
        """
        if not self._items:
            return
        items, self._items, self._bytes = self._items, {}, 0
        try:
            write_shard(self.store.folder / f"{uuid.uuid4().hex}{SUFFIX}", items)
        except (OSError, SafetensorError) as error:
            raise StoreError(
                f"The token store {self.store.folder} cannot be written: {error}. "
                "What it held before is good. Free some space, or give another folder with --store."
            ) from error
        self.store.refresh()


@dataclass(frozen=True)
class StoredTable:
    """A `TokenTable` over memory-mapped shards."""

    dim: int
    grid: tuple[int, int] | None
    paths: tuple[Path, ...]
    shard: Int64[Tensor, " items"]
    """Which of `paths` holds the item."""
    start: Int64[Tensor, " items"]
    length: Int64[Tensor, " items"]
    _maps: dict[int, Tensor] = field(default_factory=dict, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the memory maps behind: another process maps the shards anew."""
        return {**self.__dict__, "_maps": {}}

    def __len__(self) -> int:
        """Count the items."""
        return len(self.shard)

    def lengths(self, items: Int64[Tensor, " batch"]) -> Int64[Tensor, " batch"]:
        """Count the tokens of these items; item -1 has none."""
        return self.length[items.clamp_min(0)].where(items >= 0, 0)

    def gather(self, items: Int64[Tensor, " batch"]) -> Tokens:
        """Copy the tokens of these items, float32, padded to the longest; item -1 is missing."""
        if len(self) == 0:
            return Tokens(torch.zeros(len(items), 1, self.dim), torch.zeros(len(items), 1, dtype=torch.bool))
        safe = items.clamp_min(0)
        lengths = self.lengths(items)
        width = max(1, int(lengths.max()) if len(items) else 1)
        place = torch.arange(width)
        mask = place < lengths[:, None]
        source = (self.start[safe][:, None] + place).view(-1)
        shard = self.shard[safe]
        tokens = torch.zeros(len(items) * width, self.dim, dtype=torch.bfloat16)  # widened last: half the traffic
        for number in np.unique(shard[items >= 0].numpy()).tolist():
            slots = (mask & (shard == number)[:, None]).view(-1).nonzero().view(-1)
            tokens.index_copy_(0, slots, self._mapped(number).index_select(0, source[slots]))
        return Tokens(tokens.view(len(items), width, self.dim).float(), mask)

    def _mapped(self, number: int) -> Tensor:
        if number not in self._maps:
            self._maps[number] = map_tokens(self.paths[number])
        return self._maps[number]
