"""From a source to rows ready for training: read, encode what is new, assemble, and write down what happened."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interfuse.core.progress import Progress
from interfuse.core.seeds import generator
from interfuse.core.settings import fingerprint, to_plain
from interfuse.data import Examples, Features, assemble
from interfuse.store import Projection
from interfuse.workflows.encode import encode_examples
from interfuse.workflows.source import Source, describe_split, report_failures
from interfuse.workflows.train.data_card import describe_rows
from interfuse.workflows.train.source_rows import SourceRows, read_rows

Folds = tuple[Mapping[str, Tensor], ...]


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


def prepare(source: Source, progress: Progress, train_rows: int | None = None) -> Prepared:
    """Read the rows, encode each distinct picture and text that the store does not hold, and assemble.

    Args:
        source: the rows and how to read and encode them.
        progress: told how far it is.
        train_rows: most rows to train on; none: all.

    Raises:
        ConfigError: the settings cannot work.
        DataError: the rows cannot be used.
    """
    return encode_rows(read_rows(source, progress), progress, train_rows)


def encode_rows(rows: SourceRows, progress: Progress, train_rows: int | None = None) -> Prepared:
    """Encode each distinct picture and text that the store does not hold, and assemble.

    Args:
        rows: as they were read.
        progress: told how far it is.
        train_rows: most rows to train on; none: all.

    Raises:
        DataError: the rows cannot be used.
    """
    source, every = rows.source, rows.folds
    if rows.known is not None:
        features = replace(rows.known, splits=fewer(rows.known, rows.known.splits, train_rows))
        return _prepared(source, features, (features.splits,), None, {}, 0.0, [])
    encoded = encode_examples(every[0], source.encode, progress)
    by_fold = [encoded.without_failures(examples, source.read.strict) for examples in every]
    report_failures(every[0], by_fold[0], progress)
    assembled = [
        assemble(examples, encoded.image, encoded.image_index, encoded.text, encoded.text_index) for examples in by_fold
    ]
    folds = tuple(fewer(features, features.splits, train_rows) for features in assembled)
    features = replace(assembled[0], splits=folds[0])
    prepared = _prepared(source, features, folds, by_fold[0], encoded.signatures, encoded.seconds, encoded.notes)
    info = {**prepared.info, "made_split": describe_split(every[0], source.read)}
    return replace(prepared, info=info, projections=encoded.projections)


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
        "test_share": sum(len(split["test"]) for split in folds) / len(folds) / len(features.rows),
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
