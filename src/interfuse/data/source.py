"""From a source to Examples: rows read, labels understood, splits given or made."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from interfuse.core.errors import DataError
from interfuse.data import splits
from interfuse.data.examples import COLUMNS, Examples, text_key
from interfuse.data.labels import infer_task, name_classes, read_labels
from interfuse.data.readers import need_column
from interfuse.data.rows import Rows, drop_unlabelled, read_rows
from interfuse.data.settings import SourceSettings


def load_examples(source: Any, settings: SourceSettings) -> Examples:
    """Read labelled rows and give each its split.

    Args:
        source: a file, a data frame, or `easy-vqa`.
        settings: columns and splits.

    Raises:
        DataError: file, columns, labels or splits cannot be used; with `strict`, the first bad row or picture.
    """
    settings, rows = read_rows(source, settings)
    column = _label_column(rows, settings)
    task = settings.task or infer_task(column)
    if not settings.task:
        rows.notes.append(f"Task: {task}, seen from the labels (--task says otherwise).")
    labels = drop_unlabelled(rows, read_labels(column, task), settings.strict)
    classes = name_classes(labels)
    numbers = {name: number for number, name in enumerate(classes)}
    coded = [[numbers[name] for name in row] for row in labels]
    groups = splits.group_rows(rows.keys, rows.groups)
    table = splits.Table(groups, np.array([row[0] if row else -1 for row in coded]), _names(rows))
    parts, notes = splits.make_parts(table, rows.splits, settings)
    rows.notes += notes
    _note_unseen_classes(rows, coded, parts, classes)
    return _examples(rows, coded, groups, parts, task, classes)


def load_for_run(
    source: Any, settings: SourceSettings, task: str, label_names: Sequence[str], labelled: bool
) -> Examples:
    """Read rows for a trained run: all of them, in order; splits only as the source itself declares them.

    Raises:
        DataError: the rows cannot be read, or (with `labelled`) a label is none of `label_names`.
    """
    settings, rows = read_rows(source, settings)
    coded: list[list[int]] = [[] for _ in rows.ids]
    if labelled:
        labels = drop_unlabelled(rows, read_labels(_label_column(rows, settings), task), settings.strict)
        known = {name: number for number, name in enumerate(label_names)}
        strange = sorted({name for row in labels for name in row if name not in known})
        if strange:
            raise DataError(
                f"The rows have the label {strange[0]!r}, which the run does not know ({len(strange)} such labels). "
                f"It knows: {', '.join(list(label_names)[:20])}."
            )
        coded = [[known[name] for name in row] for row in labels]
    groups = splits.group_rows(rows.keys, rows.groups)
    every = np.array(["all"] * len(rows.ids), dtype=object)
    parts = splits.read_split(rows.splits, str(settings.split)) if rows.splits else every
    return _examples(rows, coded, groups, parts, task, tuple(label_names))


def _label_column(rows: Rows, settings: SourceSettings) -> pl.Series:
    if settings.label is None:
        raise DataError(f"Which column is the label? Give --label. Columns: {', '.join(rows.frame.columns)}.")
    return need_column(rows.frame, settings.label, "the label")


def _names(rows: Rows) -> list[str]:
    """Name each row by what does not depend on the order of the rows, as far as it has such a thing."""
    return [
        key or (name if rows.named or text is None else text_key(text))
        for key, name, text in zip(rows.keys, rows.ids, rows.texts, strict=True)
    ]


def _note_unseen_classes(rows: Rows, coded: list[list[int]], parts: np.ndarray, classes: Sequence[str]) -> None:
    seen = {number for row, part in zip(coded, parts, strict=True) if part == "train" for number in row}
    unseen = [name for number, name in enumerate(classes) if number not in seen]
    if unseen:
        rows.notes.append(
            f"warning: {len(unseen)} of {len(classes)} classes occur in no train row and cannot be learned: "
            f"{', '.join(unseen[:5])}."
        )


def _examples(
    rows: Rows,
    coded: list[list[int]],
    groups: np.ndarray,
    parts: np.ndarray,
    task: str,
    classes: tuple[str, ...],
) -> Examples:
    columns = {
        "row": rows.numbers,
        "id": rows.ids,
        "image": rows.images,
        "image_key": rows.keys,
        "text": rows.texts,
        "text_key": [text_key(text) if text is not None else None for text in rows.texts],
        "label": coded,
        "group": groups.tolist(),
        "split": [str(part) for part in parts],
    }
    return Examples(pa.table(columns, schema=COLUMNS), task, classes, tuple(rows.troubles), tuple(rows.notes))
