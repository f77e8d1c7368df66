"""Encoders that stay loaded, and the tokens of one part of the rows after another: decoding never waits for a part."""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from interfuse.core.progress import Progress
from interfuse.core.tokens import Tokens
from interfuse.data import Examples, Features, assemble
from interfuse.settings import EncoderSettings
from interfuse.store import MixedTable, TokenStore, Writer
from interfuse.training import Run
from interfuse.workflows.encode.decode import Decoder, Opener
from interfuse.workflows.encode.encode import leave_out_nan
from interfuse.workflows.encode.parallel import ParallelBatches
from interfuse.workflows.encode.tower import Tower, open_tower


@dataclass(frozen=True)
class Part:
    """Some rows of a source, read; their pictures are not opened yet."""

    number: int
    examples: Examples


@dataclass(frozen=True)
class Side:
    """One tower and the store of its tokens."""

    tower: Tower
    store: TokenStore

    def begin(self, keys: list[str]) -> "Items":
        """Return these items with the tokens that the store holds."""
        missing = set(self.store.missing(keys))
        there = [key for key in keys if key not in missing]
        return Items(MixedTable(self.store.table(there)), missing, {key: item for item, key in enumerate(there)})


@dataclass(frozen=True)
class Items:
    """The distinct pictures or texts of a part, and their tokens as far as they are there."""

    table: MixedTable
    missing: set[str]
    index: dict[str, int]
    """Key to item of the table."""
    failures: dict[str, str] = field(default_factory=dict)
    """Key of what has no tokens to the reason."""

    def add(self, what: str, keys: list[str | None], tokens: Any, mask: Any, writer: Writer | None) -> None:
        """Add what was encoded, and write it where it is kept; the others of its batch have no key."""
        good = leave_out_nan(what, keys, tokens, self.failures, mask)
        for key in good:
            if key is not None:
                self.index[key] = len(self.index)
        self.table.add_batch(good, tokens, mask)
        if writer is not None:
            writer.add_batch(good, tokens, mask)


@dataclass
class _OpenPart:
    """A part on its way."""

    part: Part
    pictures: Items


class Towers:
    """The encoders of a run, loaded once.

    The batches of a part are planned from the part alone, and one with any item missing in the store is run whole, as
    in `encode_pictures`: so the tokens of a part depend on nothing but its rows and what the store held.
    """

    def __init__(
        self, run: Run, settings: EncoderSettings, progress: Progress, keep: bool, strict: bool = False
    ) -> None:
        """Load the encoders and open the store.

        Args:
            run: says by what its tokens are projected.
            settings: encoders and store.
            progress: told what must be said.
            keep: write what is encoded to the store; the pictures of a part are then decoded after the part before it.
            strict: refuse the first picture or text that has no tokens, instead of treating it as missing.
        """
        self.settings, self.keep, self.strict = settings, keep, strict
        self.cut = 0
        """Texts so far that are longer than the encoder's limit."""
        towers = [
            open_tower(modality, settings, settings.finetuned.get(modality), run.projections.get(modality))
            for modality in ("image", "text")
        ]
        self.image, self.text = (Side(tower, tower.store(settings.store)) for tower in towers)
        for store in (self.image.store, self.text.store):
            for warning in store.warnings:
                progress.say(warning)

    @property
    def signatures(self) -> dict[str, dict[str, Any]]:
        """What decides the tokens of each modality."""
        return {"image": self.image.tower.signature, "text": self.text.tower.signature}

    def encode(self, parts: Iterator[Part]) -> Iterator[tuple[Part, Features]]:
        """Return each part with its tokens; what cannot be decoded or encoded is missing, and its trouble is listed.

        Raises:
            DataError: with `strict`, there is such an item.
        """
        with ParallelBatches(self.settings.device) as beside:
            if not self.keep:
                yield from self._encode(parts, beside)
                return
            for part in parts:  # what the store holds must be looked up when the part before is written
                yield from self._encode(iter([part]), beside)

    def _encode(self, parts: Iterator[Part], beside: ParallelBatches) -> Iterator[tuple[Part, Features]]:
        tower = self.image.tower
        openers: dict[str, Opener] = {}
        missing: set[str] = set()
        open_parts: deque[_OpenPart] = deque()

        def plan() -> Iterator[list[str]]:
            for part in parts:
                pictures = part.examples.pictures()
                open_part = _OpenPart(part, self.image.begin(list(pictures)))
                open_parts.append(open_part)
                names = {f"{part.number} {key}": key for key in sorted(pictures)}  # two parts may show one picture
                missing.update(name for name, key in names.items() if key in open_part.pictures.missing)
                for batch in self._batches(list(names)):
                    if missing.intersection(batch):
                        openers.update({name: partial(tower.open_picture, pictures[names[name]]) for name in batch})
                        yield batch
                yield []  # the end of the part

        encoder = tower.encoder
        with Decoder(openers, encoder, missing) as decoder, ExitStack() as stack:
            writer = stack.enter_context(self.image.store.writer()) if self.keep else None
            for (batch, decoded), tokens in beside.map(lambda pair: pair[1].encode(encoder), decoder.batches(plan())):
                current = open_parts[0]
                if not batch:
                    if writer is not None:
                        writer.flush()
                    yield self._finish(open_parts.popleft(), beside)
                    continue
                pictures = current.pictures
                pictures.failures.update({_key(name): reason for name, reason in decoded.failures.items()})
                if tokens is not None:
                    new_keys = [_key(name) if name in missing else None for name in decoded.keys]
                    pictures.add("picture", new_keys, tokens, None, writer)
                missing.difference_update(batch)
                for name in batch:
                    del openers[name]

    def _batches(self, keys: list[str]) -> list[list[str]]:
        size = self.settings.encoding_batch
        return [keys[start : start + size] for start in range(0, len(keys), size)]

    def _finish(self, open_part: _OpenPart, beside: ParallelBatches) -> tuple[Part, Features]:
        """Encode the part's texts and point its rows at their tokens."""
        examples, images = open_part.part.examples, open_part.pictures
        texts = self._encode_texts(examples.texts(), beside)
        left = examples.without("image", images.failures, self.strict, may_be_empty=True)
        left = left.without("text", texts.failures, self.strict, may_be_empty=True)
        return Part(open_part.part.number, left), assemble(left, images.table, images.index, texts.table, texts.index)

    def _encode_texts(self, texts: Mapping[str, str], beside: ParallelBatches) -> Items:
        """Encode the texts that the store does not hold, batches of like length."""
        items = self.text.begin(list(texts))
        if not items.missing:
            return items
        prepared = self.text.tower.encoder.prepare(list(texts.values()))
        self.cut += prepared.cut
        ids = dict(zip(texts, prepared.ids, strict=True))
        planned = self._batches(sorted(texts, key=lambda key: (len(ids[key]), key)))
        batches = (batch for batch in planned if items.missing.intersection(batch))

        def encode(batch: list[str]) -> Tokens:
            tokens: Tokens = self.text.tower.encoder.encode([ids[key] for key in batch])
            return tokens

        with ExitStack() as stack:
            writer = stack.enter_context(self.text.store.writer()) if self.keep else None
            for batch, tokens in beside.map(encode, batches):
                keys = [key if key in items.missing else None for key in batch]
                items.add("text", keys, tokens.tokens, tokens.mask, writer)
        return items


def _key(name: str) -> str:
    return name.split(" ", 1)[1]
