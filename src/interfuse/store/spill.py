"""Arrays as long as the request, in a file without a name: the system may take their pages back, unlike a heap's."""

import mmap
import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import numpy as np

T = TypeVar("T")
SPILL_BYTES = 1 << 18
"""Arrays below this size stay in memory."""
CHUNK = 1 << 14
"""Keys that are looked up at once."""


def spilled(count: int, dtype: str) -> np.ndarray:
    """Make an array of zeros; a large one is mapped from a temporary file, if there is room for one.

    The file is filled, not left sparse: a full disk is then an error here, and not a signal when a page is written.
    """
    size = count * np.dtype(dtype).itemsize
    if size >= SPILL_BYTES:
        try:
            with tempfile.TemporaryFile() as file:
                for start in range(0, size, SPILL_BYTES):
                    file.write(bytes(min(SPILL_BYTES, size - start)))
                file.flush()
                return np.frombuffer(mmap.mmap(file.fileno(), size), dtype, count)
        except OSError:
            pass  # no room for it: in memory, then
    return np.zeros(count, dtype)


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Return the items in lists of `size`; the last may be shorter."""
    source = iter(items)
    while part := list(islice(source, size)):
        yield part
