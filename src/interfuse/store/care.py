"""Care of the cache: what it holds, whether it is sound, and what nobody needs."""

import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from interfuse.core.errors import StoreError
from interfuse.core.files import read_json
from interfuse.store.damage import buried, bury
from interfuse.store.shard import SUFFIX, Header, checksum, map_tokens, read_items, tensor_dtype


@dataclass(frozen=True)
class Holding:
    """What the folder of one encoder holds."""

    folder: Path
    signature: Mapping[str, Any]
    shards: int
    items: int
    bytes: int
    broken: tuple[str, ...]
    """Why a shard cannot be read, a sentence each."""


@dataclass(frozen=True)
class Check:
    """What comparing every byte with its checksum found."""

    folder: Path
    items: int
    damaged: int
    """Items whose bytes no longer fit; they are listed, and the next encoding replaces them."""
    broken: tuple[str, ...]


def list_holdings(root: Path) -> list[Holding]:
    """Return what each encoder's folder in a store holds.

    Raises:
        StoreError: there is no such folder.
    """
    return [_hold(folder) for folder in _folders(root)]


def verify(root: Path) -> Iterator[Check]:
    """Compare every item of a store with its checksum; list the damaged ones, so that they are encoded again.

    Raises:
        StoreError: there is no such folder.
    """
    for folder in _folders(root):
        items, damaged, broken, known = 0, 0, [], buried(folder)
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                columns = _read(path)
                tokens = map_tokens(path)
            except StoreError as error:
                broken.append(str(error))
                continue
            keys = columns["keys"].tobytes()
            for place, (start, length, expected) in enumerate(
                zip(*(columns[name].tolist() for name in ("start", "length", "checksum")), strict=True)
            ):
                items += 1
                key = keys[16 * place : 16 * place + 16].hex()
                if checksum(key, tokens[start : start + length]) != expected:
                    damaged += 1
                    if (path.name, start) not in known:
                        bury(folder, path.name, start)
        yield Check(folder, items, damaged, tuple(broken))


def unused(root: Path, names: Collection[str]) -> list[Holding]:
    """List what is in no folder of these names.

    Raises:
        StoreError: there is no such folder.
    """
    return [holding for holding in list_holdings(root) if holding.folder.name not in names]


def remove(holding: Holding) -> None:
    """Remove one encoder's folder.

    Raises:
        StoreError: it cannot be removed.
    """
    try:
        shutil.rmtree(holding.folder)
    except OSError as error:
        raise StoreError(f"{holding.folder} cannot be removed: {error}.") from error


def _folders(root: Path) -> list[Path]:
    """Find the encoders' folders; a folder without `encoder.json` is not ours, and is never touched."""
    if not root.is_dir():
        raise StoreError(f"There is no token store at {root}. Give its folder with store=….")
    return sorted(path.parent for path in root.glob("*/encoder.json") if not path.parent.is_symlink())


def _hold(folder: Path) -> Holding:
    items, total, broken = 0, 0, []
    paths = sorted(folder.glob(f"*{SUFFIX}"))
    for path in paths:
        total += path.stat().st_size
        try:
            items += len(_read(path)["keys"])
        except StoreError as error:
            broken.append(str(error))
    try:
        signature = read_json(folder / "encoder.json")
    except (OSError, ValueError) as error:
        signature, broken = {}, [*broken, f"encoder.json cannot be read: {error}"]
    return Holding(folder, signature, len(paths), items, total, tuple(broken))


def _read(path: Path) -> dict[str, np.ndarray]:
    """Read a shard's index, whatever its tokens' width and format."""
    header = Header(path)
    try:
        width, dtype = header.place("tokens")[1][1], tensor_dtype(header)
    except (LookupError, TypeError, ValueError) as error:
        raise StoreError(f"{path.name} is no shard: {error}") from error
    return read_items(path, width, dtype)
