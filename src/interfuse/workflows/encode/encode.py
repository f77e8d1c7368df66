"""Encode what a store does not hold yet: decoding overlapped with encoding, batches planned once, work shared."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from interfuse.core.progress import Progress
from interfuse.encoders import ImageEncoder, TextEncoder
from interfuse.settings import WHOLE, Portion
from interfuse.store import TokenStore, Writer
from interfuse.workflows.encode.decode import Decoder, Opener
from interfuse.workflows.encode.parallel import ParallelBatches

POLL_SECONDS = 0.1
"""How often a process looks whether others have finished the batches that they are at."""


@dataclass(frozen=True)
class EncodeReport:
    """What an encoding did."""

    encoded: int
    num_stored: int
    """Items that the store held already."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Key of an item that the store does not hold to the reason why it has no tokens."""
    cut: int = 0
    """Texts that are longer than the encoder's limit."""
    seconds: float = 0.0


def encode_pictures(
    store: TokenStore,
    encoder: ImageEncoder,
    items: Mapping[str, Opener],
    batch_size: int,
    progress: Progress,
    portion: Portion = WHOLE,
) -> EncodeReport:
    """Encode the pictures that the store does not hold.

    The batches are planned from the whole request, sorted by key, and a batch with any picture missing is run whole:
    an encoder's bytes depend on its batch, so the same request gives the same bytes whatever was interrupted, and
    whoever encodes which portion.

    Args:
        store: where the tokens go.
        encoder: makes them.
        items: key to a function that opens the picture, or raises `DataError` or `OSError` with the reason.
        batch_size: pictures a forward pass.
        progress: told how far it is.
        portion: which of the batches are this process's.
    """
    start, missing = time.perf_counter(), set(store.missing(items))
    num_stored = len(items) - len(missing)
    failures: dict[str, str] = {}
    encoded = 0

    def run(writer: Writer, planned: Iterator[list[str]]) -> Iterator[list[str]]:
        nonlocal encoded
        with Decoder(items, encoder, missing) as decoder, ParallelBatches(encoder.device) as beside:
            for (keys, decoded), tokens in beside.map(lambda pair: pair[1].encode(encoder), decoder.batches(planned)):
                failures.update(decoded.failures)
                if tokens is not None:
                    new_keys = [key if key in missing else None for key in decoded.keys]
                    new_keys = leave_out_nan("picture", new_keys, tokens, failures)
                    writer.add_batch(new_keys, tokens)
                    encoded += len(new_keys) - new_keys.count(None)
                yield keys

    plan = portion.of_batches(_chunks(sorted(items), batch_size))
    _run_all(store, plan, missing, run, "pictures", progress)
    return EncodeReport(encoded, num_stored, failures, 0, time.perf_counter() - start)


def encode_texts(
    store: TokenStore,
    encoder: TextEncoder,
    items: Mapping[str, str],
    batch_size: int,
    progress: Progress,
    portion: Portion = WHOLE,
) -> EncodeReport:
    """Encode the texts that the store does not hold; batches of like length, planned from the whole request.

    Args:
        store: where the tokens go.
        encoder: makes them.
        items: key to text.
        batch_size: texts a forward pass.
        progress: told how far it is.
        portion: which of the batches are this process's.
    """
    start, missing = time.perf_counter(), set(store.missing(items))
    num_stored = len(items) - len(missing)
    prepared = encoder.prepare(list(items.values())) if items else None
    cut = prepared.cut if prepared else 0
    if not missing or prepared is None:
        return EncodeReport(0, num_stored, cut=cut)
    ids = dict(zip(items, prepared.ids, strict=True))
    failures: dict[str, str] = {}
    encoded = 0

    def run(writer: Writer, planned: Iterator[list[str]]) -> Iterator[list[str]]:
        nonlocal encoded
        for keys in planned:
            tokens, mask = encoder.encode([ids[key] for key in keys])
            new_keys = [key if key in missing else None for key in keys]
            new_keys = leave_out_nan("text", new_keys, tokens, failures, mask)
            writer.add_batch(new_keys, tokens, mask)
            encoded += len(new_keys) - new_keys.count(None)
            yield keys

    plan = portion.of_batches(_chunks(sorted(items, key=lambda key: (len(ids[key]), key)), batch_size))
    _run_all(store, plan, missing, run, "texts", progress)
    return EncodeReport(encoded, num_stored, failures, cut, time.perf_counter() - start)


def leave_out_nan(
    what: str, keys: list[str | None], tokens: Tensor, failures: dict[str, str], mask: Tensor | None = None
) -> list[str | None]:
    """Take out the items of which the encoder makes NaN or infinity.

    Where that is so of every item of several it is the encoder's number format; then the store refuses the batch.

    Args:
        what: picture or text.
        keys: key of each item of the batch; none: it is in the store already.
        tokens: (batch, tokens, dim), what the encoder makes of them.
        failures: gets the key of each that is taken out, and the reason.
        mask: (batch, tokens), which tokens are real; none: all.
    """
    bad = ~tokens.isfinite().all(-1)
    finite = (~(bad if mask is None else bad & mask).any(1)).tolist()
    if len(finite) > 1 and not any(finite):
        return keys
    for key, good in zip(keys, finite, strict=True):
        if key is not None and not good:
            failures[key] = f"the encoder makes NaN or infinity of the {what}"
    return [key if good else None for key, good in zip(keys, finite, strict=True)]


EncodeBatches = Callable[[Writer, Iterator[list[str]]], Iterator[list[str]]]
"""Encodes the batches that it is given, and gives each back when it is done."""


def _run_all(
    store: TokenStore, plan: list[list[str]], missing: set[str], run: EncodeBatches, unit: str, progress: Progress
) -> None:
    """Run the planned batches that miss an item; those that another process is at are looked at again in the end.

    `missing` loses what other processes write meanwhile.
    """
    stage = f"encode {unit}"
    left = [keys for keys in plan if missing.intersection(keys)]
    if not left:
        return
    progress.start(stage, sum(len(missing.intersection(keys)) for keys in left), unit)
    with store.writer() as writer:
        while left:
            claims: list[list[str]] = []

            def claim_batches(left: list[list[str]] = left, claims: list[list[str]] = claims) -> Iterator[list[str]]:
                for keys in left:
                    todo = missing.intersection(keys)
                    if not writer.claim(keys):
                        continue
                    claims.append(keys)
                    there = store.peek(todo)
                    missing.difference_update(there)
                    progress.advance(stage, len(there))
                    if there != todo:
                        yield keys

            for keys in run(writer, claim_batches()):
                progress.advance(stage, len(missing.intersection(keys)))
            writer.flush()  # before waiting: two processes must not wait for each other's unwritten items
            if not claims:
                time.sleep(POLL_SECONDS)
            done = {id(keys) for keys in claims}
            left = [keys for keys in left if id(keys) not in done]
    progress.finish(stage)


def _chunks(keys: list[str], size: int) -> list[list[str]]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]
