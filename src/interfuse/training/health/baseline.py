"""What a training is held to before it begins: the constant answer's score, and which columns tell nothing."""

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interfuse.core.tasks import is_single_class
from interfuse.data import Features
from interfuse.evaluation import example_scores
from interfuse.training.token_statistics import is_constant


def measure_baseline(features: Features, modalities: Collection[str], epoch: int = 1) -> dict[str, Any]:
    """Return the columns of `core.records.HISTORY` that only the first row has.

    The constant answer is the most frequent class of the train rows, the labels that most of them have, or their mean.
    The standard error of its score is that of the mean over validation rows; of a regression it counts as 0, since the
    errors of two answers to one row go together.

    Args:
        features: rows with splits `train` and `validation`.
        modalities: that the network takes; of another nothing is said.
        epoch: from 1; after the first each column is None.
    """
    if epoch > 1:
        return {"chance_score": None, "chance_error": None, "constant": None}
    train, validation = features.splits["train"], features.splits["validation"]
    labels = features.labels[train]
    if is_single_class(features.task):
        answer = labels.bincount(minlength=len(features.label_names)).double() / len(labels)
    else:
        answer = labels.double().mean(0, keepdim=labels.ndim == 1)
    answers = np.broadcast_to(answer.numpy(), (len(validation), len(answer)))
    scores = example_scores(answers, features.labels[validation].numpy(), features.task)
    error = 0.0 if features.task == "regression" else float(scores.std() / len(scores) ** 0.5)
    constant = [
        name
        for (name, items), table in zip(features.items.named(), features.tables, strict=True)
        if name in modalities and is_constant(table, items[train])
    ]
    if _is_same(labels):
        constant.append("label")
    return {"chance_score": float(scores.mean()), "chance_error": error, "constant": constant}


def _is_same(labels: Tensor) -> bool:
    return bool(torch.all(labels == labels[:1]))
