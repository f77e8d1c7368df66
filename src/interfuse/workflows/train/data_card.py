"""What the rows of a study are like: classes, gaps and leaks by split, and what is wrong with rows in trouble."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
from torch import Tensor

from interfuse.data import Examples, Features

CLASSES = 40
"""Most classes whose rows are counted in the record."""


def describe_rows(features: Features, splits: Mapping[str, Tensor], examples: Examples | None) -> dict[str, Any]:
    """Count by split what the data card shows; `splits` as they were used."""
    card: dict[str, Any] = {
        "missing": {
            modality: {split: int((items[rows] < 0).sum()) for split, rows in splits.items()}
            for modality, items in features.items.named()
        }
    }
    if features.task != "regression":
        counts = {split: _count_classes(features, rows) for split, rows in splits.items()}
        order = np.argsort(-sum(counts.values()), kind="stable")[:CLASSES]
        card["classes"] = {
            features.label_names[n]: {split: int(counts[split][n]) for split in splits} for n in order.tolist()
        }
    if examples is not None:
        card["leaks"] = find_leaks(examples)
        card["quarantine"] = dict(
            Counter(f"{t.reason.split(':')[0]}; {t.consequence}" for t in examples.troubles).most_common(12)
        )
    return card


def find_leaks(examples: Examples) -> dict[str, int]:
    """Count the distinct pictures, texts and pairs of both that stand in two splits or more."""
    table = pl.from_arrow(examples.table.select(["image_key", "text_key", "split"]))
    assert isinstance(table, pl.DataFrame)
    keys = {"picture": ["image_key"], "text": ["text_key"], "picture and text": ["image_key", "text_key"]}
    return {
        what: table.drop_nulls(columns)
        .group_by(columns)
        .agg(pl.col("split").n_unique().alias("splits"))
        .filter(pl.col("splits") > 1)
        .height
        for what, columns in keys.items()
    }


def _count_classes(features: Features, rows: Tensor) -> np.ndarray:
    labels = features.labels[rows].numpy()
    if labels.ndim == 2:
        return np.asarray(labels.sum(0), dtype=np.int64)
    return np.bincount(labels, minlength=len(features.label_names))
