"""The labels of rows: read once for each distinct cell, and kept as numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from interfuse.core.errors import DataError
from interfuse.core.tasks import PAIR_LABELS
from interfuse.data.labels import all_numbers, check_labels, name_classes, read_labels, read_targets
from interfuse.data.rows import Rows, drop_incomplete, drop_unlabelled
from interfuse.data.tables import drop_nan, need_column, number_series, ranges


@dataclass(frozen=True)
class Labels:
    """What the rows are labelled with."""

    coded: pa.ListArray
    """Class numbers of each row."""
    targets: np.ndarray | None
    """Number of each row, for regression; none for other tasks."""
    names: tuple[str, ...]
    """Of the classes, or of the number."""
    unpaired: bool = False
    """Whether the rows are captions of which pairs must still be made."""

    @classmethod
    def none(cls, rows: int, names: Sequence[str]) -> "Labels":
        """Label no row."""
        return cls(_lists(np.zeros(rows, np.int64), np.zeros(0, np.int64)), None, tuple(names))

    @classmethod
    def one_each(cls, classes: np.ndarray, names: Sequence[str], unpaired: bool = False) -> "Labels":
        """Label each row with one class."""
        return cls(_lists(np.ones(len(classes), np.int64), classes), None, tuple(names), unpaired)


def choose_column(rows: Rows) -> pl.Series:
    """Return the label of the rows that are left.

    Raises:
        DataError: there is no such column.
    """
    name = rows.settings.label
    if name is None:
        raise DataError(f"Which column is the label? Give label=…. Columns: {', '.join(rows.frame.columns)}.")
    column = need_column(rows.frame, name, "the label")
    return column if len(rows) == len(column) else column.gather(rows.places)


def read_row_labels(rows: Rows, task: str, known: Sequence[str] | None = None) -> Labels:
    """Read the labels of the task and leave out the rows without one.

    Args:
        rows: all rows; those without a label are dropped.
        task: what the labels are for.
        known: the classes of a trained run; none: those that the source declares, or that occur.

    Raises:
        DataError: the column cannot be read for the task, or no row is left.
    """
    settings = rows.settings
    if task == "matching" and settings.label is None:
        if not (settings.image and settings.text):
            raise DataError("Matching is about pictures and captions: give image=… and text=….")
        drop_incomplete(rows, settings.strict)
        return Labels.one_each(np.ones(len(rows), np.int64), PAIR_LABELS, unpaired=True)
    column = choose_column(rows)
    check_labels(column, task)
    if task == "regression":
        targets = np.full(len(column), np.nan)
        for piece in ranges(len(column)):
            numbers = rows.numbers(np.arange(piece.start, piece.stop)).tolist()
            targets[piece] = np.array(read_targets(column[piece], numbers), dtype=np.float64)
        drop_unlabelled(rows, ~np.isnan(targets), settings.strict)
        none = Labels.none(len(rows), (known[0] if known else str(settings.label),))
        return Labels(none.coded, targets[~np.isnan(targets)], none.names)
    numbers, cells = number_series(drop_nan(column))
    labels = read_labels(cells, task)
    labelled = np.array([*(label is not None for label in labels), False])[numbers]  # the last is for null
    drop_unlabelled(rows, labelled, settings.strict)
    numbers = numbers[labelled]
    classes = tuple(
        known or rows.label_names or (PAIR_LABELS if task == "matching" else _name_classes(labels, numbers, rows))
    )
    return Labels(_code(numbers, labels, classes, "run" if known else "source"), None, classes)


def _name_classes(labels: Sequence[tuple[str, ...] | None], numbers: np.ndarray, rows: Rows) -> tuple[str, ...]:
    """Return the classes; where they are too many and nearly all are numbers, say which labels are none.

    Args:
        labels: the distinct ones.
        numbers: which of the labels each row has.
        rows: those that have one.
    """
    full = np.array([bool(label) for label in labels], dtype=bool)
    try:
        return name_classes(labels, int(full[numbers].sum()))
    except DataError as error:
        odd = np.array([not all_numbers(label or ()) for label in labels], dtype=bool)[numbers]
        if not 0 < odd.sum() < len(odd) / 2:
            raise
        first = odd.argmax()
        example = f"{'|'.join(labels[numbers[first]] or ())!r} in row {rows.numbers(np.array([first]))[0]}"
        raise DataError(
            f"{error} In only {odd.sum():,} rows the label is no number ({example}): if a number is to be predicted, "
            "task=regression tells which rows."
        ) from None


def _code(
    numbers: np.ndarray, labels: Sequence[tuple[str, ...] | None], classes: tuple[str, ...], owner: str
) -> pa.ListArray:
    """Return each row's class numbers.

    Args:
        numbers: which of the labels each row has.
        labels: the distinct ones.
        classes: the names.
        owner: what knows these names.
    """
    places = {name: number for number, name in enumerate(classes)}
    strange = sorted({name for label in labels for name in label or () if name not in places})
    if strange:
        raise DataError(
            f"The rows have the label {strange[0]!r}, which the {owner} does not know ({len(strange)} such labels). "
            f"It knows: {', '.join(classes[:20])}."
        )
    flat = np.array([places[name] for label in labels for name in label or ()], dtype=np.int32)
    sizes = np.array([len(label or ()) for label in labels], dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    if (sizes == 1).all():
        return _lists(sizes[numbers], flat[numbers])
    sizes, starts = sizes[numbers], starts[numbers]
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return _lists(sizes, flat[np.repeat(starts, sizes) + within])


def _lists(sizes: np.ndarray, flat: np.ndarray) -> pa.ListArray:
    offsets = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))


def first_classes(labels: pa.ListArray | pa.ChunkedArray) -> np.ndarray:
    """Return each row's first class number, -1 where it has none."""
    chunks = labels.chunks if isinstance(labels, pa.ChunkedArray) else [labels]
    classes = [np.full(len(chunk), -1, np.int32) for chunk in chunks]
    for chunk, first in zip(chunks, classes, strict=True):
        offsets = chunk.offsets.to_numpy()
        has = offsets[1:] > offsets[:-1]
        first[has] = chunk.values.to_numpy()[offsets[:-1][has]]
    return np.concatenate([np.zeros(0, np.int32), *classes])
