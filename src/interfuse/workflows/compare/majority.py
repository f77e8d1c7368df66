"""The answer that ignores both modalities, kept with a study as its lowest floor."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from interfuse.core.records import write_table
from interfuse.data import Features
from interfuse.evaluation import example_scores
from interfuse.workflows.train import TrainingSet


def write_majority(path: Path, training_set: TrainingSet) -> None:
    """Score the answer that ignores both modalities: the train rows' most frequent label, or their mean number."""
    features, parts = training_set.features, []
    for fold, split in enumerate(training_set.folds):
        constant = _majority_probs(features, split["train"].numpy())
        for name in ("validation", "test"):
            rows = split[name]
            probs = np.tile(constant, (len(rows), 1))
            scores = example_scores(probs, features.labels[rows].numpy(), features.task)
            columns = {
                "row": features.rows[rows].tolist(),
                "split": [name] * len(rows),
                "fold": [fold] * len(rows),
                "score": scores.astype(float),
                "probs": pa.array(list(probs.astype(np.float32)), pa.list_(pa.float32())),
            }
            parts.append(pa.table(columns))
    write_table(path, pa.concat_tables(parts))


def _majority_probs(features: Features, rows: np.ndarray) -> np.ndarray:
    labels, classes = features.labels.numpy()[rows], len(features.label_names)
    if features.task == "regression":
        return np.asarray([labels.mean(dtype=np.float64)])
    if features.task == "multilabel":
        frequency = labels.mean(0)
        answer = frequency >= min(0.5, float(frequency.max()))
        return np.asarray(answer, dtype=np.float32)
    constant = np.zeros(classes, dtype=np.float32)
    constant[np.bincount(labels, minlength=classes).argmax()] = 1.0
    return constant
