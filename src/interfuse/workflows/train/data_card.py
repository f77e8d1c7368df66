"""What the rows of a study are like: classes, gaps and leaks by split, and what is wrong with rows in trouble."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from interfuse.data import LEAKS, Examples, Features, find_leaks

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
        items = {leak.what: leak.items for leak in find_leaks(examples)}
        card["leaks"] = {what: items.get(what, 0) for what in LEAKS}
        card["quarantine"] = dict(
            Counter(f"{t.reason.split(':')[0]}; {t.consequence}" for t in examples.troubles).most_common(12)
        )
    return card


def _count_classes(features: Features, rows: Tensor) -> np.ndarray:
    labels = features.labels[rows].numpy()
    if labels.ndim == 2:
        return np.asarray(labels.sum(0), dtype=np.int64)
    return np.bincount(labels, minlength=len(features.label_names))
