"""Decoding pictures beside the encoder: batches are prefetched, a few ahead, on threads of their own."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from interfuse.core.errors import DataError
from interfuse.encoders import ImageEncoder

DECODERS = max(2, min(8, os.cpu_count() or 2))
"""Threads that decode pictures while the encoder works."""
AHEAD = 2
"""Batches that are decoded ahead (prefetched)."""
Opener = Callable[[], Image.Image]


@dataclass(frozen=True)
class Decoded:
    """The pictures of one batch, ready for the encoder."""

    keys: list[str]
    """Those that could be decoded, in the planned order."""
    pictures: Tensor | None
    """(keys, 3, height, width); none where no missing picture could be decoded."""
    failures: Mapping[str, str]
    """Key of a missing picture to the reason why it cannot be decoded."""

    def encode(self, encoder: ImageEncoder) -> Tensor | None:
        """Return the tokens of the pictures (keys, tokens, dim), if any could be decoded."""
        return None if self.pictures is None else encoder.encode(self.pictures)


class Decoder:
    """Decodes batches ahead of the encoder; ends its threads when the context ends, also by an interruption."""

    def __init__(self, items: Mapping[str, Opener], encoder: ImageEncoder, missing: set[str]) -> None:
        """Begin with nothing decoded.

        Args:
            items: key to a function that opens the picture, or raises `DataError` or `OSError` with the reason.
            encoder: brings a picture to the form it takes.
            missing: pictures that the store does not hold; the others are decoded only to fill their batch.
        """
        self.items, self.encoder, self.missing = items, encoder, missing
        self._pool = ThreadPoolExecutor(DECODERS)

    def __enter__(self) -> "Decoder":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads; what they have not begun is not done."""
        self._pool.shutdown(cancel_futures=True)

    def batches(self, planned: Iterable[list[str]]) -> Iterator[tuple[list[str], Decoded]]:
        """Return each planned batch and its pictures, `AHEAD` batches ahead of whoever takes them."""
        waiting: list[tuple[list[str], Future[Decoded]]] = []
        for keys in planned:
            waiting.append((keys, self._submit(keys)))
            if len(waiting) > AHEAD:
                done, future = waiting.pop(0)
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()

    def _submit(self, keys: list[str]) -> Future[Decoded]:
        """Decode the missing pictures; the last task joins them, which waits only for tasks begun before it."""
        futures = {key: self._pool.submit(self._decode, key) for key in keys if key in self.missing}
        return self._pool.submit(self._join, keys, futures)

    def _join(self, keys: list[str], futures: Mapping[str, Future[Tensor | str]]) -> Decoded:
        """Stack the pictures; where none of the missing can be decoded, the others of the batch are not needed."""
        values = {key: future.result() for key, future in futures.items()}
        failures = {key: value for key, value in values.items() if isinstance(value, str)}
        if len(failures) == len(values):
            return Decoded([], None, failures)
        values |= {key: self._decode(key) for key in keys if key not in values}
        good = [key for key in keys if isinstance(values[key], Tensor)]
        pictures = torch.stack([value for key in good if isinstance(value := values[key], Tensor)])
        return Decoded(good, pictures, failures)

    def _decode(self, key: str) -> Tensor | str:
        try:
            return self.encoder.prepare(self.items[key]())
        except (DataError, OSError) as error:
            return str(error)
