"""The token store: each distinct picture and text is encoded once, whoever asks, and never served wrong."""

import os
import re
import threading
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from torch import Tensor

from interfuse.core.errors import StoreError
from interfuse.core.files import read_json, write_json
from interfuse.core.settings import fingerprint
from interfuse.settings import Coding
from interfuse.store.coding import row_format
from interfuse.store.damage import buried, bury
from interfuse.store.index import COLUMNS, EMPTY, Index, key_array, merge, read_snapshot, write_snapshot
from interfuse.store.shard import SUFFIX, checksum, map_tokens, read_items
from interfuse.store.spill import CHUNK, chunks, spilled
from interfuse.store.table import StoredTable
from interfuse.store.writer import Writer

VERIFY_BYTES = 256 << 20
"""Bytes that a process compares with their checksums before it begins; the rest is compared when it is first read."""
SNAPSHOT_SHARDS = 16
"""Shards outside the snapshot that are read one by one; when there are more, the snapshot is written anew."""
_STALE_SECONDS = 86_400.0


class TokenStore:
    """The tokens of one encoder, in a folder of the root that is named by the encoder's signature.

    A shard that is cut short is ignored, and so is an item whose bytes no longer fit its checksum: both count as
    not there, and are encoded again. Several processes may write at once; of two copies of an item the one in the
    shard whose name sorts first is served.
    """

    def __init__(
        self,
        root: Path,
        signature: Mapping[str, Any],
        dim: int,
        grid: tuple[int, int] | None = None,
        coding: Coding = "bfloat16",
    ) -> None:
        """Open the folder of this encoder, or make it.

        Raises:
            StoreError: the folder cannot be written.
        """
        self.dim, self.grid, self.coding = dim, grid, coding
        self._dtype, self._width = row_format(coding, dim)
        self.folder = root / folder_name(signature)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / "encoder.json").is_file():
                write_json(self.folder / "encoder.json", dict(signature))
        except OSError as error:
            raise StoreError(
                f"The token store {root} cannot be written: {error}. Give another folder with store=…."
            ) from error
        self._check_owner(dict(signature))
        self.warnings: list[str] = []
        """What is damaged, in words."""
        self._guard = threading.RLock()  # a writer looks things up from its own thread
        self._shards: set[str] = set()
        self._names: list[str] = []
        self._in_snapshot = 0
        self._snapshot, self._loose = EMPTY, EMPTY
        self._sound = [np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)]
        self._buried: set[tuple[str, int]] = set()
        self._forget()
        self._remove_stale()
        self.refresh()

    def refresh(self) -> None:
        """Take notice of shards that were written or removed since."""
        with self._guard:
            facts = self._scan()
            if not self._shards <= facts.keys():
                self._forget()
            if not self._shards:
                self._open_snapshot(facts)
            new = sorted(facts.keys() - self._shards)
            parts = [self._loose, *(part for name in new if (part := self._read(name)) is not None)]
            if len(parts) > 1:
                self._loose = merge(parts, self._names)
                self._sound[1] = np.zeros(len(self._loose), dtype=bool)
            outside = len(self._names) - self._in_snapshot
            if new and outside >= max(SNAPSHOT_SHARDS, self._in_snapshot // 10):
                self._write_snapshot(facts)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """List the distinct keys that are not there or found damaged, in the given order.

        Up to `VERIFY_BYTES` of the items are compared with their checksums now, the others when they are first read.
        """
        absent: dict[str, None] = {}
        with self._guard:
            budget = VERIFY_BYTES
            for part in chunks(keys):
                array = key_array(part)
                budget -= self._verify(part, array, budget)
                where, _ = self._locate(array)
                absent.update((part[place], None) for place in np.flatnonzero(where < 0).tolist())
        return list(absent)

    def peek(self, keys: Iterable[str]) -> set[str]:
        """Return those of these keys that are there by now; no byte of them is compared."""
        distinct = list(keys)
        with self._guard:
            self.refresh()
            part, _ = self._locate(key_array(distinct))
        return {key for key, where in zip(distinct, part.tolist(), strict=True) if where >= 0}

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """Collect new items; what was added is on disk when the context ends, also by an error."""
        writer = Writer(self)
        try:
            yield writer
        finally:
            writer.close()

    def table(self, keys: Sequence[str]) -> StoredTable:
        """Return a table whose item i is `keys[i]`.

        Raises:
            StoreError: a key is not there.
        """
        absent = self.missing(keys)
        if absent:
            raise StoreError(f"{len(absent):,} items are not in the store {self.folder}; the first: {absent[0]}.")
        columns = {name: spilled(len(keys), dtype) for name, dtype in (*COLUMNS.items(), ("key", "<u4"))}
        sound, first = spilled(len(keys), "?"), 0
        with self._guard:
            for part in chunks(keys):
                array, here = key_array(part), slice(first, first + len(part))
                where, row = self._locate(array)
                for name, values in self._take(where, row).items():
                    columns[name][here] = values
                columns["key"][here] = np.fromiter((zlib.crc32(key) for key in _bytes(array)), np.uint32, len(array))
                sound[here] = self._flags(where, row)
                first += len(part)
            paths = self._number_anew(columns["shard"])
        return StoredTable(
            self.dim,
            self.grid,
            self.coding,
            paths,
            columns["shard"],
            columns["start"],
            columns["length"],
            columns["checksum"],
            columns["key"],
            sound,
        )

    def _number_anew(self, shard: np.ndarray) -> tuple[Path, ...]:
        """Number the shards that a table uses from 0, in place, and return their paths."""
        used = np.zeros(len(self._names), dtype=bool)
        parts = [slice(first, first + CHUNK) for first in range(0, len(shard), CHUNK)]
        for part in parts:
            used[shard[part]] = True
        numbers = np.cumsum(used, dtype=np.int32) - 1
        for part in parts:
            shard[part] = numbers[shard[part]]
        return tuple(self.folder / self._names[number] for number in np.flatnonzero(used).tolist())

    def _locate(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the part (0: snapshot, 1: loose shards, -1: nowhere) and the row of each key's copy to serve."""
        rows = [index.find(keys) for index in self._parts]
        part = np.where(rows[0] >= 0, 0, np.where(rows[1] >= 0, 1, -1))
        for place in np.flatnonzero((rows[0] >= 0) & (rows[1] >= 0)):
            first = [self._names[index.shard[r[place]]] for index, r in zip(self._parts, rows, strict=True)]
            part[place] = first.index(min(first))
        row = np.where(part == 0, rows[0], rows[1])
        if self._buried:
            places = np.flatnonzero(part >= 0)
            columns = self._take(part[places], row[places])
            for place, shard, start in zip(places, columns["shard"], columns["start"], strict=True):
                if (self._names[shard], int(start)) in self._buried:
                    part[place], row[place] = self._sound_copy(keys[place : place + 1])
        return part, row

    @property
    def _parts(self) -> tuple[Index, Index]:
        return self._snapshot, self._loose

    def _sound_copy(self, key: np.ndarray) -> tuple[int, int]:
        """Look through all copies of a key (an array of one), past those that are known to be damaged."""
        copies = []
        for number, index in enumerate(self._parts):
            for row in index.copies(key):
                name = self._names[index.shard[row]]
                if (name, int(index.start[row])) not in self._buried:
                    copies.append((name, number, row))
        return min(copies)[1:] if copies else (-1, -1)

    def _take(self, part: np.ndarray, row: np.ndarray) -> dict[str, np.ndarray]:
        """Take the columns of located copies."""
        columns = {}
        for name, dtype in COLUMNS.items():
            column = np.empty(len(part), dtype)
            for number, index in enumerate(self._parts):
                here = part == number
                column[here] = getattr(index, name)[row[here]]
            columns[name] = column
        return columns

    def _flags(self, part: np.ndarray, row: np.ndarray) -> np.ndarray:
        """Return which located copies were compared with their checksums."""
        flags = np.zeros(len(part), dtype=bool)
        for number, sound in enumerate(self._sound):
            here = part == number
            flags[here] = sound[row[here]]
        return flags

    def _verify(self, keys: Sequence[str], array: np.ndarray, limit: int) -> int:
        """Compare items with their checksums, shard by shard, until `limit` bytes are read; list what is damaged.

        Returns:
            Bytes of the limit that are used up: all of it where an item had to be left.
        """
        if limit <= 0:
            return 0
        part, row = self._locate(array)
        places = np.flatnonzero((part >= 0) & ~self._flags(part, row))
        columns = self._take(part[places], row[places])
        order = np.lexsort((columns["start"], columns["shard"]))
        size = columns["length"][order].astype(np.int64) * self._width * self._dtype.itemsize
        total = size.cumsum()
        selection = places[order[: int(np.searchsorted(total, limit, "right"))]]
        maps: dict[int, Tensor] = {}
        for place, number, at in zip(
            selection.tolist(), part[selection].tolist(), row[selection].tolist(), strict=True
        ):
            self._verify_item(keys[place], number, at, maps)
        return limit if len(selection) < len(places) else int(size.sum())

    def _verify_item(self, key: str, number: int, row: int, maps: dict[int, Tensor]) -> None:
        """Compare one item; a sound copy elsewhere stands in for a damaged one."""
        name = ""
        while number >= 0:
            if self._is_sound(key, number, row, maps):
                self._sound[number][row] = True
                return
            index = self._parts[number]
            name, start = self._names[index.shard[row]], int(index.start[row])
            self._buried.add((name, start))
            bury(self.folder, name, start)
            number, row = self._sound_copy(key_array([key]))
        self.warnings.append(f"{name}: the item {key} is damaged; it is encoded again.")

    def _is_sound(self, key: str, number: int, row: int, maps: dict[int, Tensor]) -> bool:
        index = self._parts[number]
        shard, start, length = int(index.shard[row]), int(index.start[row]), int(index.length[row])
        if shard not in maps:
            maps[shard] = map_tokens(self.folder / self._names[shard])
        return checksum(key, maps[shard][start : start + length]) == int(index.checksum[row])

    def _scan(self) -> dict[str, tuple[int, int]]:
        """List the shards with size and time of change."""
        facts = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                    with suppress(FileNotFoundError):
                        stat = entry.stat()
                        facts[entry.name] = (stat.st_size, stat.st_mtime_ns)
        return facts

    def _forget(self) -> None:
        """Begin with nothing known."""
        self._shards, self._names = set(), []
        self._in_snapshot = 0
        self._snapshot, self._loose = EMPTY, EMPTY
        self._sound = [np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)]
        self._buried = buried(self.folder)

    def _open_snapshot(self, facts: Mapping[str, tuple[int, int]]) -> None:
        snapshot = read_snapshot(self.folder, facts, self._width)
        if snapshot is not None:
            self._snapshot, names = snapshot
            self._names, self._shards = list(names), set(names)
            self._in_snapshot = len(names)
            self._sound[0] = np.zeros(len(self._snapshot), dtype=bool)

    def _read(self, name: str) -> Index | None:
        """Read one shard's own index; say so where it is no sound shard."""
        self._shards.add(name)
        try:
            items = read_items(self.folder / name, self._width, self._dtype)
        except StoreError as error:
            self.warnings.append(f"{error} It is ignored; its items are encoded again.")
            return None
        self._names.append(name)
        shard = np.full(len(items["keys"]), len(self._names) - 1, dtype=np.int32)
        return Index(shard=shard, **items)

    def _write_snapshot(self, facts: Mapping[str, tuple[int, int]]) -> None:
        """Write the index of all shards as one file and map it; without it opening is slower, nothing else."""
        with suppress(OSError, SafetensorError):  # no lock: it is renamed into its place, and any one will do
            write_snapshot(self.folder, merge(self._parts, self._names), self._names, facts, self._width)
        snapshot = read_snapshot(self.folder, facts, self._width)
        if snapshot is not None and len(snapshot[1]) == len(self._names):
            self._snapshot, self._loose = snapshot[0], EMPTY
            self._names, self._in_snapshot = list(snapshot[1]), len(snapshot[1])
            self._sound = [np.zeros(len(self._snapshot), dtype=bool), np.zeros(0, dtype=bool)]

    def _check_owner(self, signature: dict[str, Any]) -> None:
        """Refuse a folder whose `encoder.json` is of another encoder, or cannot be read."""
        path = self.folder / "encoder.json"
        try:
            owner = read_json(path)
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read: {error}. Remove this file; it is written anew.") from error
        if owner != signature:
            raise StoreError(f"{self.folder} belongs to another encoder. Give another folder with store=….")

    def _remove_stale(self) -> None:
        for path in self.folder.glob(".*.tmp"):
            with suppress(OSError):  # another process has just renamed or removed it
                if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                    path.unlink()


def folder_name(signature: Mapping[str, Any]) -> str:
    """Name the folder of an encoder: readable, and different where any part of the signature is."""
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", str(signature.get("name", "tokens"))).strip("-.")[-40:]
    return f"{readable}-{fingerprint(dict(signature))[:16]}"


def _bytes(keys: np.ndarray) -> Iterator[bytes]:
    """Return each key's 16 bytes; numpy alone would drop zeros at the end."""
    content = keys.tobytes()
    return (content[start : start + 16] for start in range(0, len(content), 16))
