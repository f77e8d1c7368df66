"""Encode what a store does not hold yet: decoding overlapped with encoding, batches planned once."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor

from interfuse.core.errors import DataError
from interfuse.core.progress import Progress
from interfuse.encoders import ImageEncoder, TextEncoder
from interfuse.store import TokenStore

DECODERS = 2
"""Threads that decode pictures while the encoder works."""
AHEAD = 2
"""Batches that are decoded ahead."""
Opener = Callable[[], Image.Image]


@dataclass(frozen=True)
class EncodeReport:
    """What an encoding did."""

    encoded: int
    found: int
    """Items that the store held already."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Key of a picture that the store does not hold to the reason why it cannot be decoded."""
    cut: int = 0
    """Texts that are longer than the encoder's limit."""
    seconds: float = 0.0


def encode_pictures(
    store: TokenStore, encoder: ImageEncoder, items: Mapping[str, Opener], batch_size: int, progress: Progress
) -> EncodeReport:
    """Encode the pictures that the store does not hold.

    The batches are planned from the whole request, sorted by key, and a batch with any picture missing is run whole:
    an encoder's bytes depend on its batch, so the same request gives the same bytes whatever was interrupted.

    Args:
        store: where the tokens go.
        encoder: makes them.
        items: key to a function that opens the picture, or raises `DataError` or `OSError` with the reason.
        batch_size: pictures a forward pass.
        progress: told how far it is.
    """
    start, missing = time.perf_counter(), set(store.missing(items))
    batches = [batch for batch in _chunks(sorted(items), batch_size) if missing.intersection(batch)]
    failures: dict[str, str] = {}
    if not batches:
        return EncodeReport(0, len(items))
    progress.start("encode pictures", len(missing), "pictures")
    encoded = 0
    with store.writer() as writer, _decoders() as pool:
        for keys, decoded in _decode_ahead(pool, batches, missing, items, encoder):
            good = {key: value for key, value in decoded.items() if isinstance(value, Tensor)}
            failures |= {key: value for key, value in decoded.items() if isinstance(value, str) and key in missing}
            wanted = [key for key in good if key in missing]
            if wanted:
                tokens = encoder.encode(torch.stack(list(good.values())))
                for key, value in zip(good, tokens, strict=True):
                    if key in missing:
                        writer.add(key, value)
            encoded += len(wanted)
            progress.advance("encode pictures", len(missing.intersection(keys)))
    progress.finish("encode pictures")
    return EncodeReport(encoded, len(items) - len(missing), failures, 0, time.perf_counter() - start)


def encode_texts(
    store: TokenStore, encoder: TextEncoder, items: Mapping[str, str], batch_size: int, progress: Progress
) -> EncodeReport:
    """Encode the texts that the store does not hold; batches of like length, planned from the whole request.

    Args:
        store: where the tokens go.
        encoder: makes them.
        items: key to text.
        batch_size: texts a forward pass.
        progress: told how far it is.
    """
    start, missing = time.perf_counter(), set(store.missing(items))
    prepared = encoder.prepare(list(items.values())) if items else None
    cut = prepared.cut if prepared else 0
    if not missing or prepared is None:
        return EncodeReport(0, len(items), cut=cut)
    ids = dict(zip(items, prepared.ids, strict=True))
    planned = sorted(items, key=lambda key: (len(ids[key]), key))
    batches = [batch for batch in _chunks(planned, batch_size) if missing.intersection(batch)]
    progress.start("encode texts", len(missing), "texts")
    with store.writer() as writer:
        for keys in batches:
            tokens, mask = encoder.encode([ids[key] for key in keys])
            for place, key in enumerate(keys):
                if key in missing:
                    writer.add(key, tokens[place][mask[place]])
            progress.advance("encode texts", len(missing.intersection(keys)))
    progress.finish("encode texts")
    return EncodeReport(len(missing), len(items) - len(missing), {}, cut, time.perf_counter() - start)


def _chunks(keys: list[str], size: int) -> list[list[str]]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]


@contextmanager
def _decoders() -> Iterator[ThreadPoolExecutor]:
    """Open the decoding threads; an interruption does not wait for what they have not begun."""
    pool = ThreadPoolExecutor(DECODERS)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _decode_ahead(
    pool: ThreadPoolExecutor,
    batches: list[list[str]],
    missing: set[str],
    items: Mapping[str, Opener],
    encoder: ImageEncoder,
) -> Iterator[tuple[list[str], dict[str, Tensor | str]]]:
    """Decode the pictures of each batch, a few batches ahead of the encoder; a reason stands for a bad picture.

    The missing ones come first: where none of them can be decoded, the others of the batch are not needed.
    """

    def decode(key: str) -> Tensor | str:
        try:
            return encoder.prepare(items[key]())
        except (DataError, OSError) as error:
            return str(error)

    def submit(keys: Iterable[str]) -> dict[str, Future[Tensor | str]]:
        return {key: pool.submit(decode, key) for key in keys}

    def submit_missing(batch: Sequence[str]) -> dict[str, Future[Tensor | str]]:
        return submit(key for key in batch if key in missing)

    waiting = [submit_missing(batch) for batch in batches[:AHEAD]]
    for number, batch in enumerate(batches):
        if number + AHEAD < len(batches):
            waiting.append(submit_missing(batches[number + AHEAD]))
        decoded = {key: future.result() for key, future in waiting.pop(0).items()}
        if any(isinstance(value, Tensor) for value in decoded.values()):
            rest = submit(key for key in batch if key not in missing)
            decoded |= {key: future.result() for key, future in rest.items()}
        yield batch, {key: decoded[key] for key in batch if key in decoded}  # in the planned order
