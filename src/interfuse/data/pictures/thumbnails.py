"""Thumbnails of pictures by content, each made once: what near-copies are told by."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from interfuse.core.errors import OutputError
from interfuse.core.files import write_atomically
from interfuse.data.pictures.files import PictureError, open_picture
from interfuse.data.pictures.near_copies import SIDE

FORMAT = 1
"""Of the thumbnails; another one where pictures are decoded or made small otherwise."""
LEAST_KEPT = 256
"""Fewest new thumbnails that are kept: fewer are made again in no time."""
MOST_FILES = 32
"""Files beyond which all are written as one."""
_DECODED = 8 * SIDE
"""Pixels that the shorter side of a large JPEG is decoded to at least."""
_AT_ONCE = 1 << 10
_HELD = 4 << 20
"""Bytes beyond which the thumbnails lie in a file without a name, whose pages are the system's to take back."""
_KEY = np.dtype("S32")
_BYTES = SIDE * SIDE * 3


def default_folder() -> Path:
    """Return where thumbnails are kept: the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interfuse" / f"thumbnails-{FORMAT}"


def make_thumbnail(image: Image.Image) -> UInt8[np.ndarray, "16 16 3"]:
    """Return a picture as 16 × 16 mean colours, whatever its size and proportions."""
    return np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.uint8)


def read_thumbnails(
    keys: Sequence[str], paths: Sequence[str], advance: Callable[[int], None], folder: Path | None = None
) -> tuple[UInt8[np.ndarray, "pictures 16 16 3"], np.ndarray]:
    """Return the thumbnails of pictures; those that the cache lacks are decoded, several at a time, and kept there.

    Args:
        keys: hash of each picture's bytes; distinct.
        paths: a file that holds each.
        advance: told how many more are there.
        folder: the cache; none: `default_folder`. One that cannot be written is done without.

    Returns:
        The thumbnails, and whether each picture could be decoded.
    """
    cache = _Cache(folder or default_folder())
    names, thumbnails = np.array(keys, _KEY), _allocate(len(keys))
    there = cache.fill(names, thumbnails)
    advance(int(there.sum()))
    missing = np.flatnonzero(~there)
    with ThreadPoolExecutor(max_workers=8) as pool:
        for start in range(0, len(missing), _AT_ONCE):
            part = missing[start : start + _AT_ONCE]
            for place, thumbnail in zip(part.tolist(), pool.map(_decode, [paths[p] for p in part]), strict=True):
                if thumbnail is not None:
                    thumbnails[place], there[place] = thumbnail, True
            advance(len(part))
    new = missing[there[missing]]
    if len(new) >= LEAST_KEPT:
        cache.keep(names, thumbnails, new)
    return thumbnails, there


def _decode(path: str) -> np.ndarray | None:
    try:
        return make_thumbnail(open_picture(path, at_least=_DECODED))
    except PictureError:  # said where the picture is encoded
        return None


def _allocate(count: int) -> np.ndarray:
    shape = (count, SIDE, SIDE, 3)
    if count * _BYTES <= _HELD:
        return np.zeros(shape, np.uint8)
    try:
        with tempfile.TemporaryFile() as file:
            for start in range(0, count, _AT_ONCE):  # a full disk is an error here; in a map it would end the process
                file.write(bytes(min(_AT_ONCE, count - start) * _BYTES))
            file.flush()
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except OSError:
        return np.zeros(shape, np.uint8)


class _Cache:
    """Files of thumbnails, each written once: the rising keys of its pictures, then their thumbnails."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, names: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
        """Fill in the thumbnails that are in the cache; return which are."""
        there = np.zeros(len(names), bool)
        for keys, pictures in self._files():
            if not len(keys) or there.all():
                continue
            places = np.minimum(np.searchsorted(keys, names), len(keys) - 1)
            here = np.flatnonzero((keys[places] == names) & ~there)
            for start in range(0, len(here), _AT_ONCE):
                part = here[start : start + _AT_ONCE]
                thumbnails[part] = pictures[places[part]]
            there[here] = True
        return there

    def keep(self, names: np.ndarray, thumbnails: np.ndarray, places: np.ndarray) -> None:
        """Write some of the thumbnails, and all files as one where there are many."""
        try:
            self._write(names[places], lambda order: thumbnails[places[order]])
            old = list(self._paths())
            if len(old) > MOST_FILES:
                self._merge(old)
        except (OutputError, OSError):  # a cache that cannot be written is none
            return

    def _merge(self, old: list[Path]) -> None:
        files = [file for path in old if (file := _read(path)) is not None]
        names, firsts = np.unique(np.concatenate([keys for keys, _ in files]), return_index=True)
        starts = np.cumsum([0, *(len(keys) for keys, _ in files)])

        def read(order: np.ndarray) -> np.ndarray:
            places = firsts[order]
            of_file = np.searchsorted(starts, places, side="right") - 1
            return np.stack([files[f][1][p - starts[f]] for f, p in zip(of_file, places, strict=True)])

        self._write(names, read)
        for path in old:
            path.unlink(missing_ok=True)

    def _write(self, names: np.ndarray, read: Callable[[np.ndarray], np.ndarray]) -> None:
        order = np.argsort(names)

        def write(path: Path) -> None:
            with path.open("wb") as file:
                file.write(names[order].tobytes())
                for start in range(0, len(order), _AT_ONCE):
                    file.write(read(order[start : start + _AT_ONCE]).tobytes())

        write_atomically(self.folder / f"{uuid.uuid4().hex}.thumbnails", write)

    def _paths(self) -> Iterator[Path]:
        return iter(sorted(self.folder.glob("*.thumbnails")))

    def _files(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return (file for path in self._paths() if (file := _read(path)) is not None)


def _read(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Open a file; None where another process has taken it away, or it is cut short."""
    try:
        count, rest = divmod(path.stat().st_size, _KEY.itemsize + _BYTES)
        if rest or not count:
            return None
        keys = np.fromfile(path, _KEY, count)
        return keys, np.memmap(path, np.uint8, "r", _KEY.itemsize * count, (count, SIDE, SIDE, 3))
    except OSError:
        return None
