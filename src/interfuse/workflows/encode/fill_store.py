"""Fill the token stores with what a set of rows needs, and return the rows' tokens."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow.compute as pc

from interfuse.core.progress import Progress
from interfuse.core.tokens import TokenTable
from interfuse.data import Examples, Trouble, load_examples, load_for_run
from interfuse.settings import WHOLE, EncoderSettings, Portion
from interfuse.store import Projection, TokenStore
from interfuse.workflows.encode.decode import Opener
from interfuse.workflows.encode.encode import EncodeReport, encode_pictures, encode_texts
from interfuse.workflows.encode.projected import Sample, find_projection
from interfuse.workflows.encode.tower import Tower, open_tower
from interfuse.workflows.source import Source, report_failures, report_troubles


def encode_source(source: Source, progress: Progress, portion: Portion = WHOLE) -> "Filled | None":
    """Read the rows and encode what the store does not hold; no label is needed.

    Args:
        source: the rows and how to read and encode them.
        progress: told how far it is.
        portion: which part of the work is this process's.

    Returns:
        What the store holds now; none for a known-answer task, whose tokens need no encoder.
    """
    if source.is_known:
        source.check_known()
        progress.say(f"{source.data} needs no encoder: nothing to encode.")
        return None
    splits_matter = source.encode.store_dim is not None  # its projection is fitted on the train rows
    is_table = not isinstance(source.data, str) or source.data != "easy-vqa"
    if source.read.label is None and is_table and not splits_matter:
        examples = load_for_run(source.data, source.read, "multiclass", (), labelled=False, may_lack=False)
    else:
        examples = load_examples(source.data, source.read, progress)
    report_troubles(examples, progress)
    filled = fill_store(examples, source.encode, progress, portion)
    left = filled.without_failures(examples, source.read.strict)
    report_failures(examples, left, progress)
    return replace(filled, troubles=left.troubles)


@dataclass(frozen=True)
class Filled:
    """The stores of a set of rows, and what was encoded into them."""

    image_store: TokenStore
    text_store: TokenStore
    image: EncodeReport
    """What became of the pictures."""
    text: EncodeReport
    """What became of the texts."""
    signatures: Mapping[str, Any]
    notes: list[str]
    projections: Mapping[str, Projection]
    troubles: tuple[Trouble, ...] = ()
    """Every row in trouble, those found while decoding and encoding too."""

    def without_failures(self, examples: Examples, strict: bool) -> Examples:
        """Treat what has no tokens as missing, or refuse it."""
        return examples.without("image", self.image.failures, strict).without("text", self.text.failures, strict)


@dataclass(frozen=True)
class Encoded:
    """The tokens of a set of rows."""

    image: TokenTable
    image_index: Mapping[str, int]
    text: TokenTable
    text_index: Mapping[str, int]
    signatures: Mapping[str, Any]
    filled: Filled
    """The stores, and what became of each item."""
    seconds: float
    notes: list[str]
    projections: Mapping[str, Projection]

    def without_failures(self, examples: Examples, strict: bool) -> Examples:
        """Treat what has no tokens as missing, or refuse it."""
        return self.filled.without_failures(examples, strict)


def fill_store(
    examples: Examples,
    settings: EncoderSettings,
    progress: Progress,
    portion: Portion = WHOLE,
    projections: Mapping[str, Projection] | None = None,
) -> Filled:
    """Encode every distinct picture and text of these rows that the store does not hold yet, or one portion.

    Args:
        examples: the rows.
        settings: encoders and store.
        progress: told how far it is.
        portion: which of the batches are this process's.
        projections: those of a trained run; none: with `store_dim` they are fitted on the train rows.
    """
    start = time.perf_counter()
    image, text = (open_tower(modality, settings, settings.finetuned.get(modality)) for modality in ("image", "text"))
    openers: dict[str, Opener] = {key: partial(image.open_picture, path) for key, path in examples.pictures().items()}
    texts = examples.texts()
    if projections is None:
        projections = _fit(examples, settings, image, text, openers, texts, progress)
    image, text = image.projected(projections.get("image")), text.projected(projections.get("text"))
    fitting = time.perf_counter() - start
    image_store, text_store = image.store(settings.store), text.store(settings.store)
    image_report = encode_pictures(image_store, image.encoder, openers, settings.encoding_batch, progress, portion)
    text_report = encode_texts(text_store, text.encoder, texts, settings.encoding_batch, progress, portion)
    notes = [
        f"Pictures: {image_report.encoded:,} encoded, {image_report.num_stored:,} already in the store. "
        f"Texts: {text_report.encoded:,} encoded, {text_report.num_stored:,} already in the store."
    ]
    if text_report.cut:
        notes.append(f"{text_report.cut:,} texts are longer than {text.encoder.max_length} tokens and were cut there.")
    for note in (*image_store.warnings, *text_store.warnings, *notes):
        progress.say(note)
    signatures = {"image": image.signature, "text": text.signature}
    if settings.store_dim is not None:
        text_report = replace(text_report, seconds=text_report.seconds + fitting)
    return Filled(image_store, text_store, image_report, text_report, signatures, notes, projections)


def encode_examples(
    examples: Examples,
    settings: EncoderSettings,
    progress: Progress,
    projections: Mapping[str, Projection] | None = None,
) -> Encoded:
    """Encode every distinct picture and text of these rows that the store does not hold yet, and return their tables.

    Args:
        examples: the rows.
        settings: encoders and store.
        progress: told how far it is.
        projections: those of a trained run; none: with `store_dim` they are fitted on the train rows.
    """
    filled = fill_store(examples, settings, progress, projections=projections)
    image_keys = [key for key in examples.pictures() if key not in filled.image.failures]
    text_keys = [key for key in examples.texts() if key not in filled.text.failures]
    return Encoded(
        filled.image_store.table(image_keys),
        {key: item for item, key in enumerate(image_keys)},
        filled.text_store.table(text_keys),
        {key: item for item, key in enumerate(text_keys)},
        filled.signatures,
        filled,
        filled.image.seconds + filled.text.seconds,
        filled.notes,
        filled.projections,
    )


def _fit(
    examples: Examples,
    settings: EncoderSettings,
    image: Tower,
    text: Tower,
    openers: Mapping[str, Opener],
    texts: Mapping[str, str],
    progress: Progress,
) -> dict[str, Projection]:
    """Find or fit the projections of both modalities, from train items alone; the sample is kept as bfloat16."""
    if settings.store_dim is None:
        return {}
    train = pc.equal(examples.table["split"], "train")

    def fill_pictures(base: TokenStore, keys: Sequence[str]) -> list[str]:
        chosen = {key: openers[key] for key in keys}
        failures = encode_pictures(base, image.encoder, chosen, settings.encoding_batch, progress).failures
        return [key for key in keys if key not in failures]

    def fill_texts(base: TokenStore, keys: Sequence[str]) -> list[str]:
        chosen = {key: texts[key] for key in keys}
        failures = encode_texts(base, text.encoder, chosen, settings.encoding_batch, progress).failures
        return [key for key in keys if key not in failures]

    projections: dict[str, Projection] = {}
    for modality, tower, fill in (("image", image, fill_pictures), ("text", text, fill_texts)):
        column = examples.table[f"{modality}_key"].filter(train)
        keys = [key for key in pc.unique(column).to_pylist() if key is not None]
        base = tower.store(settings.store, "bfloat16")
        projection = find_projection(base, Sample(modality, tower.encoder, keys, fill), settings.store_dim, progress)
        if projection is not None:
            projections[modality] = projection
    return projections
