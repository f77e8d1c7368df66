"""Features: rows ready for training, each pointing at the tokens of its picture and text."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from jaxtyping import Int64
from torch import Tensor

from interfuse.core.errors import DataError
from interfuse.core.modalities import MODALITIES, Modalities
from interfuse.core.tasks import is_single_class
from interfuse.core.tokens import TokenTable
from interfuse.data.examples import Examples
from interfuse.data.row_labels import first_classes


@dataclass(frozen=True)
class Features:
    """Which tokens each row uses, and its label."""

    image: TokenTable
    text: TokenTable
    image_items: Int64[Tensor, " rows"]
    """Item of `image` for each row; -1 = missing."""
    text_items: Int64[Tensor, " rows"]
    """Item of `text` for each row; -1 = missing."""
    labels: Tensor
    """Class numbers (rows,) for multiclass and matching; 0 or 1 (rows, classes), float32, for multilabel; numbers
    (rows,), float32, for regression, NaN where unlabelled."""
    task: str
    label_names: tuple[str, ...]
    """Names of the classes; for regression the name of the number."""
    rows: Int64[Tensor, " rows"]
    """Row number in the source."""
    ids: tuple[str, ...]
    groups: Int64[Tensor, " rows"]
    splits: Mapping[str, Int64[Tensor, " n"]]
    """Split to the numbers of its rows, counted here from 0."""
    texts: pa.ChunkedArray | None = None
    """Each row's text as it was written; none where there are tokens alone."""

    @property
    def tables(self) -> Modalities[TokenTable]:
        """Both tables of tokens."""
        return Modalities(self.image, self.text)

    @property
    def items(self) -> Modalities[Int64[Tensor, " rows"]]:
        """Items of both tables for each row; -1 = missing."""
        return Modalities(self.image_items, self.text_items)

    def __post_init__(self) -> None:
        """Refuse columns of unequal length and items that no table holds."""
        count = len(self.ids)
        for name in ("image_items", "text_items", "labels", "rows", "groups"):
            if len(getattr(self, name)) != count:
                raise DataError(f"Features: {name} has {len(getattr(self, name))} rows, ids have {count}.")
        for name, items, table in zip(MODALITIES, self.items, self.tables, strict=True):
            if count and int(items.max()) >= len(table):
                raise DataError(
                    f"Features: {name} item {int(items.max())} is past the {len(table)} items of its table."
                )
            if count and int(items.min()) < -1:
                raise DataError(f"Features: {name} item {int(items.min())} is below -1, which means missing.")
        self._check_labels()
        self._check_splits()

    def _check_labels(self) -> None:
        """Refuse labels of another shape or kind than the task's, and classes without a name."""
        classes, labels = len(self.label_names), self.labels
        if is_single_class(self.task):
            if labels.ndim != 1 or labels.dtype != torch.int64:
                raise DataError(
                    f"Features: {self.task} labels are int64 (rows,), got {labels.dtype} {tuple(labels.shape)}."
                )
            if len(labels) and not -1 <= int(labels.min()) <= int(labels.max()) < classes:
                raise DataError(
                    f"Features: labels run from {int(labels.min())} to {int(labels.max())}, but there are {classes} "
                    "classes; -1 means unlabelled."
                )
        elif self.task == "multilabel" and (labels.shape != (len(self.ids), classes) or labels.dtype != torch.float32):
            raise DataError(
                f"Features: multilabel labels are float32 ({len(self.ids)}, {classes}), "
                f"got {labels.dtype} {tuple(labels.shape)}."
            )
        elif self.task == "regression" and (labels.ndim != 1 or labels.dtype != torch.float32 or classes != 1):
            raise DataError(
                f"Features: regression labels are float32 (rows,) under one name, got {labels.dtype} "
                f"{tuple(labels.shape)} under {classes}."
            )

    def _check_splits(self) -> None:
        """Refuse a row number that is not there, and a row in two splits."""
        count, occupied = len(self.ids), torch.zeros(len(self.ids), dtype=torch.bool)
        for name, rows in self.splits.items():
            if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < count:
                raise DataError(
                    f"Features: split {name!r} has row numbers from {int(rows.min())} to {int(rows.max())}, "
                    f"but there are {count} rows."
                )
            if occupied[rows].any() or len(rows.unique()) < len(rows):
                raise DataError(f"Features: split {name!r} has a row that is there already, in it or in another split.")
            occupied[rows] = True


def assemble(
    examples: Examples,
    image: TokenTable,
    image_index: Mapping[str, int],
    text: TokenTable,
    text_index: Mapping[str, int],
) -> Features:
    """Point each row at its tokens.

    Args:
        examples: the rows.
        image: tokens of the distinct pictures.
        image_index: picture key to item of `image`.
        text: tokens of the distinct texts.
        text_index: text key to item of `text`.

    Raises:
        DataError: a row's picture or text has no tokens.
    """
    table = examples.table
    names = ("train", "validation", "test", *table["split"].unique().to_pylist())
    return Features(
        image,
        text,
        _items(table["image_key"], image_index, "picture"),
        _items(table["text_key"], text_index, "text"),
        encode_labels(examples),
        examples.task,
        examples.label_names,
        torch.tensor(table["row"].to_numpy(), dtype=torch.int64),
        tuple(table["id"].to_pylist()),
        torch.tensor(table["group"].to_numpy(), dtype=torch.int64),
        {
            name: torch.tensor(np.flatnonzero(pc.equal(table["split"], name).to_numpy()))
            for name in dict.fromkeys(names)
        },
        table["text"],
    )


def _items(keys: pa.ChunkedArray, index: Mapping[str, int], what: str) -> Tensor:
    parts = [np.zeros(0, np.int64)]
    for chunk in keys.chunks:
        coded = chunk.dictionary_encode()
        names = coded.dictionary.to_pylist()
        unknown = next((key for key in names if key not in index), None)
        if unknown is not None:
            raise DataError(f"The {what} {unknown} has no tokens: encode the rows before assembling them.")
        items = np.array([*(index[key] for key in names), -1], np.int64)  # the last is for null
        parts.append(items[coded.indices.fill_null(-1).to_numpy()])
    return torch.from_numpy(np.concatenate(parts))


def encode_labels(examples: Examples) -> Tensor:
    """Return the rows' labels as `Features.labels` has them."""
    if examples.task == "regression":
        return torch.tensor(examples.table["target"].to_numpy(), dtype=torch.float32)  # null is NaN
    if is_single_class(examples.task):
        return torch.from_numpy(first_classes(examples.table["label"]).astype(np.int64))
    hot, first = torch.zeros(len(examples), len(examples.label_names)), 0
    for chunk in examples.table["label"].chunks:
        sizes = np.diff(chunk.offsets.to_numpy())
        rows = torch.from_numpy(np.repeat(np.arange(first, first + len(chunk)), sizes))
        hot[rows, torch.tensor(chunk.flatten().to_numpy(), dtype=torch.int64)] = 1.0
        first += len(chunk)
    return hot
