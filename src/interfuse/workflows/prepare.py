"""From a source to rows ready for training: read, encode what is new, assemble, and write down what happened."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pyarrow.compute as pc
import torch
from torch import Tensor

from interfuse.core.errors import ConfigError
from interfuse.core.progress import Progress
from interfuse.core.seeds import generator
from interfuse.core.settings import fingerprint, to_plain
from interfuse.core.tokens import TokenTable
from interfuse.data import (
    Examples,
    Features,
    Trouble,
    assemble,
    encode_labels,
    load_examples,
    load_for_run,
    make_known,
    open_picture,
    refold,
)
from interfuse.data.pictures import DRAFT_PIXELS
from interfuse.encoders import ImageEncoder, TextEncoder, load_image_encoder, load_text_encoder
from interfuse.store import Coding, Projection, TokenStore
from interfuse.workflows.as_trained import describe_split
from interfuse.workflows.card import describe_rows
from interfuse.workflows.decode import Opener
from interfuse.workflows.encode import WHOLE, EncodeReport, Portion, encode_pictures, encode_texts
from interfuse.workflows.encoder_settings import EncoderSettings
from interfuse.workflows.projecting import Sample, find_projection, project
from interfuse.workflows.source import Source

Folds = tuple[Mapping[str, Tensor], ...]
KINDS = 8
"""Most kinds of trouble that are said aloud, the most frequent first."""


@dataclass(frozen=True)
class Prepared:
    """Rows ready for training and the record of how they came to be."""

    features: Features
    folds: Folds
    card: Mapping[str, Any]
    """The data card of study.json."""
    info: Mapping[str, Any]
    """What every run.json says of the data."""
    encode_seconds: float
    examples: Examples | None
    """None for a known-answer task."""
    projections: Mapping[str, Projection] = field(default_factory=dict)
    """Modality to what its tokens were projected by."""


Look = Callable[[str, Sequence[str], Tensor], object]
"""Told the task, the names of the labels, and the labels of the test rows of all folds, as `Features` has them."""


def prepare(
    source: Source, progress: Progress, train_rows: int | None = None, look: Look = lambda *_: None
) -> Prepared:
    """Read the rows, encode each distinct picture and text that the store does not hold, and assemble.

    Args:
        source: the rows and how to read and encode them.
        progress: told how far it is.
        train_rows: most rows to train on; none: all.
        look: told what the rows are before anything is encoded, so that it may refuse them.

    Raises:
        ConfigError: the settings cannot work.
        DataError: the rows cannot be used.
    """
    if source.is_known:
        source.check_known()
        features = make_known(source.data, seed=source.read.seed)
        look(features.task, features.label_names, features.labels[features.splits["test"]])
        features = replace(features, splits=fewer(features, features.splits, train_rows))
        return _prepared(source, features, (features.splits,), None, {}, 0.0, [])
    if source.encode.store_dim is not None and source.read.folds:
        raise ConfigError(
            "--store-dim is fitted on the train rows, and with --folds every row is a test row once. "
            "Leave out one of the two."
        )
    every = _read(source, progress)
    look(every[0].task, every[0].label_names, torch.cat([_test_labels(examples) for examples in every]))
    encoded = encode_examples(every[0], source.encode, progress)
    by_fold = [encoded.without_failures(examples, source.read.strict) for examples in every]
    tell_failures(every[0], by_fold[0], progress)
    assembled = [
        assemble(examples, encoded.image, encoded.image_index, encoded.text, encoded.text_index) for examples in by_fold
    ]
    folds = tuple(fewer(features, features.splits, train_rows) for features in assembled)
    features = replace(assembled[0], splits=folds[0])
    prepared = _prepared(source, features, folds, by_fold[0], encoded.signatures, encoded.seconds, encoded.notes)
    info = {**prepared.info, "made_split": describe_split(every[0], source.read)}
    return replace(prepared, info=info, projections=encoded.projections)


def _read(source: Source, progress: Progress) -> list[Examples]:
    """Read the rows, once however many folds there are, and say aloud what was decided and what was found wrong."""
    first, folds = load_examples(source.data, source.read), source.read.folds
    every = [refold(first, replace(source.read, fold=fold)) for fold in range(folds)] if folds else [first]
    _tell(first, progress)
    return every


def _test_labels(examples: Examples) -> Tensor:
    table = examples.table
    return encode_labels(replace(examples, table=table.filter(pc.equal(table["split"], "test"))))


def _tell(examples: Examples, progress: Progress) -> None:
    for note in examples.notes:
        progress.say(note)
    kinds: dict[tuple[str, str, str], list[Trouble]] = {}
    for trouble in examples.troubles:
        kinds.setdefault((trouble.what, trouble.reason.partition(":")[0], trouble.consequence), []).append(trouble)
    for alike in sorted(kinds.values(), key=len, reverse=True)[:KINDS]:
        first = alike[0]
        progress.say(f"{len(alike):,} × {first.consequence}; the first: row {first.row} ({first.id}): {first.reason}.")
    if len(kinds) > KINDS:
        progress.say(f"{len(kinds) - KINDS:,} rarer kinds of trouble besides.")


def encode_source(source: Source, progress: Progress, portion: Portion = WHOLE) -> "Filled | None":
    """Read the rows and encode what the store does not hold, or one portion of it; no label is needed.

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
        examples = load_examples(source.data, source.read)
    _tell(examples, progress)
    filled = fill_store(examples, source.encode, progress, portion)
    left = filled.without_failures(examples, source.read.strict)
    tell_failures(examples, left, progress)
    return replace(filled, troubles=left.troubles)


def tell_failures(examples: Examples, left: Examples, progress: Progress) -> None:
    """Say aloud which rows lost a picture or text in encoding."""
    for trouble in left.troubles[len(examples.troubles) :]:
        progress.say(f"Row {trouble.row} ({trouble.id}): {trouble.reason}; {trouble.consequence}.")


@dataclass(frozen=True)
class Filled:
    """The stores of a set of rows, and what was encoded into them."""

    image_store: TokenStore
    text_store: TokenStore
    seen: EncodeReport
    """What became of the pictures."""
    read: EncodeReport
    """What became of the texts."""
    signatures: Mapping[str, Any]
    notes: list[str]
    projections: Mapping[str, Projection]
    troubles: tuple[Trouble, ...] = ()
    """Every row in trouble, those found while decoding and encoding too."""

    def without_failures(self, examples: Examples, strict: bool) -> Examples:
        """Treat what has no tokens as missing, or refuse it."""
        return examples.without("image", self.seen.failures, strict).without("text", self.read.failures, strict)


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
    image_encoder: Any = load_image_encoder(
        settings.image_encoder,
        settings.image_size,
        settings.encoder_dtype,
        settings.device,
        settings.tuned.get("image"),
    )
    text_encoder: Any = load_text_encoder(
        settings.text_encoder, settings.encoder_dtype, settings.device, settings.tuned.get("text")
    )
    side = getattr(image_encoder, "size", None)
    enough = None if side is None else 4 * side  # of a huge picture this is more than the encoder's resize can tell
    pictures: dict[str, Opener] = {
        key: partial(open_picture, path, enough, DRAFT_PIXELS) for key, path in examples.pictures().items()
    }
    texts = examples.texts()
    if projections is None:
        projections = _fit(examples, settings, (image_encoder, text_encoder), (pictures, texts), progress)
    image_encoder = project(image_encoder, projections.get("image"))
    text_encoder = project(text_encoder, projections.get("text"))
    fitting = time.perf_counter() - start
    image_store, text_store = (_store(settings, encoder) for encoder in (image_encoder, text_encoder))
    seen = encode_pictures(image_store, image_encoder, pictures, settings.encoding_batch, progress, portion)
    read = encode_texts(text_store, text_encoder, texts, settings.encoding_batch, progress, portion)
    notes = [
        f"Pictures: {seen.encoded:,} encoded, {seen.found:,} already in the store. "
        f"Texts: {read.encoded:,} encoded, {read.found:,} already in the store."
    ]
    if read.cut:
        notes.append(f"{read.cut:,} texts are longer than {text_encoder.max_length} tokens and were cut there.")
    for note in (*image_store.warnings, *text_store.warnings, *notes):
        progress.say(note)
    signatures = {
        "image": stored_signature(image_encoder, settings.store_dtype),
        "text": stored_signature(text_encoder, settings.store_dtype),
    }
    if settings.store_dim is not None:
        read = replace(read, seconds=read.seconds + fitting)
    return Filled(image_store, text_store, seen, read, signatures, notes, projections)


def encode_examples(
    examples: Examples,
    settings: EncoderSettings,
    progress: Progress,
    projections: Mapping[str, Projection] | None = None,
) -> Encoded:
    """Encode every distinct picture and text of these rows that the store does not hold yet, and give their tables.

    Args:
        examples: the rows.
        settings: encoders and store.
        progress: told how far it is.
        projections: those of a trained run; none: with `store_dim` they are fitted on the train rows.
    """
    filled = fill_store(examples, settings, progress, projections=projections)
    image_keys = [key for key in examples.pictures() if key not in filled.seen.failures]
    text_keys = [key for key in examples.texts() if key not in filled.read.failures]
    return Encoded(
        filled.image_store.table(image_keys),
        {key: item for item, key in enumerate(image_keys)},
        filled.text_store.table(text_keys),
        {key: item for item, key in enumerate(text_keys)},
        filled.signatures,
        filled,
        filled.seen.seconds + filled.read.seconds,
        filled.notes,
        filled.projections,
    )


def stored_signature(encoder: Any, coding: str) -> dict[str, Any]:
    """Say what decides the bytes of a store; bfloat16 goes without saying, so that older stores keep their names."""
    return {**encoder.signature, **({} if coding == "bfloat16" else {"coding": coding})}


def _store(settings: EncoderSettings, encoder: ImageEncoder | TextEncoder, coding: Coding | None = None) -> TokenStore:
    coding = coding or cast(Coding, settings.store_dtype)
    signature = stored_signature(encoder, coding)
    return TokenStore(settings.store, signature, encoder.dim, getattr(encoder, "grid", None), coding)


def _fit(
    examples: Examples,
    settings: EncoderSettings,
    encoders: tuple[ImageEncoder, TextEncoder],
    items: tuple[Mapping[str, Opener], Mapping[str, str]],
    progress: Progress,
) -> dict[str, Projection]:
    """Find or fit the projections of both modalities, from train items alone; the sample is kept as bfloat16."""
    if settings.store_dim is None:
        return {}
    train = pc.equal(examples.table["split"], "train")
    (see, read), (pictures, texts) = encoders, items

    def fill_pictures(base: TokenStore, keys: Sequence[str]) -> list[str]:
        chosen = {key: pictures[key] for key in keys}
        failures = encode_pictures(base, see, chosen, settings.encoding_batch, progress).failures
        return [key for key in keys if key not in failures]

    def fill_texts(base: TokenStore, keys: Sequence[str]) -> list[str]:
        chosen = {key: texts[key] for key in keys}
        failures = encode_texts(base, read, chosen, settings.encoding_batch, progress).failures
        return [key for key in keys if key not in failures]

    found: dict[str, Projection] = {}
    for modality, encoder, fill in (("image", see, fill_pictures), ("text", read, fill_texts)):
        column = examples.table[f"{modality}_key"].filter(train)
        keys = [key for key in pc.unique(column).to_pylist() if key is not None]
        base = _store(settings, encoder, "bfloat16")
        fitted = find_projection(base, Sample(modality, encoder, keys, fill), settings.store_dim, progress)
        if fitted is not None:
            found[modality] = fitted
    return found


def fewer(features: Features, splits: Mapping[str, Tensor], train_rows: int | None) -> Mapping[str, Tensor]:
    """Keep whole groups of train rows, in an order drawn once, until `train_rows` are there."""
    rows = splits["train"]
    if train_rows is None or len(rows) <= train_rows:
        return splits
    groups = features.groups[rows].unique()
    rank = torch.empty(int(groups.max()) + 1, dtype=torch.int64)
    rank[groups] = torch.randperm(len(groups), generator=generator(0, "train_rows"))
    order = rank[features.groups[rows]].argsort(stable=True)
    return {**splits, "train": rows[order[:train_rows]].sort().values}


def _prepared(
    source: Source,
    features: Features,
    folds: Folds,
    examples: Examples | None,
    signatures: Mapping[str, Any],
    seconds: float,
    notes: list[str],
) -> Prepared:
    name = source.data if isinstance(source.data, str) else str(getattr(source.data, "name", "data frame"))
    split_rows = {split: len(rows) for split, rows in folds[0].items()}
    content = {
        "labels": features.label_names,
        "rows": examples.fingerprint if examples else [name, source.read.seed, len(features.ids)],
        "train": [split["train"].tolist() for split in folds],
        "encoders": signatures,
    }
    info = {
        "task": features.task,
        "label_names": list(features.label_names),
        **({"known": source.data} if source.is_known else {}),
        **({"label_values": list(examples.label_values)} if examples and examples.label_values else {}),
        "fingerprint": fingerprint(content),
        "encoders": dict(signatures),
        "encoder_settings": source.encoder_settings(),
        "columns": dict(examples.columns) if examples else dict.fromkeys(("image", "text", "label")),
        "hard_negatives": source.read.hard_negatives,
        "device": source.encode.device,
    }
    card = {
        "source": Path(name).name if Path(name).suffix else name,
        "task": features.task,
        "label_names": list(features.label_names),
        "rows": split_rows,
        "tested": sum(len(split["test"]) for split in folds),
        "groups": len(features.groups.unique()),
        "missing_images": int((features.image_items < 0).sum()),
        "missing_texts": int((features.text_items < 0).sum()),
        "troubles": len(examples.troubles) if examples else 0,
        "notes": [*(examples.notes if examples else ()), *notes],
        **describe_rows(features, folds[0], examples),
        "settings": {
            k: v for k, v in to_plain(replace(source.read, image_folder=None, unpack_to=None)).items() if v is not None
        },
    }
    return Prepared(features, folds, card, info, seconds, examples)
