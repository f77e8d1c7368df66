"""From a source to Examples: rows read, labels understood, splits given or made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from interfuse.core.errors import ConfigError, DataError, unknown
from interfuse.core.tasks import PAIR_LABELS, TASKS
from interfuse.data import splits
from interfuse.data.examples import COLUMNS, Examples, text_key
from interfuse.data.labels import infer_task, label_values, name_classes, read_labels, read_targets
from interfuse.data.matching import Captions, draw_negatives
from interfuse.data.opening import Opened
from interfuse.data.readers import SEPARATORS, need_column
from interfuse.data.rows import Rows, drop_incomplete, drop_unlabelled, read_part, read_rows
from interfuse.data.settings import SourceSettings


@dataclass(frozen=True)
class Labels:
    """What the rows are labelled with."""

    coded: list[list[int]]
    """Class numbers of each row."""
    targets: list[float | None]
    """Number of each row, for regression."""
    names: tuple[str, ...]
    """Of the classes, or of the number."""
    unpaired: bool = False
    """Whether the rows are captions of which pairs must still be made."""


def load_examples(source: Any, settings: SourceSettings) -> Examples:
    """Read rows and give each its label and its split.

    Without a label column the task is matching: each row gives a pair that fits, and one that does not.

    Args:
        source: a file, a folder or dataset by its prefix, a data frame, or `easy-vqa`.
        settings: columns and splits.

    Raises:
        DataError: file, columns, labels or splits cannot be used; with `strict`, the first bad row or picture.
        ConfigError: the settings contradict each other or the task.
    """
    settings, rows = read_rows(source, settings)
    task = _choose_task(rows, settings)
    labels = _read_labels(rows, settings, task)
    groups = splits.group_rows(rows.keys, rows.groups)
    table = splits.Table(groups, np.array([row[0] if row else -1 for row in labels.coded]), _names(rows))
    parts, notes = splits.make_parts(table, rows.splits, settings)
    rows.notes += notes
    if labels.unpaired:
        pools = splits.deal_folds(table, settings) if settings.folds else parts
        return _pair(rows, groups, pools, parts, settings)
    if settings.hard_negatives:
        raise ConfigError(
            f"--hard-negatives is for matching from captions alone, and here the task is {task}, from column "
            f"{settings.label!r}. Leave it out, or say --task matching --label none."
        )
    _note_train(rows, labels, parts, task)
    untyped = isinstance(source, str | Path) and Path(source).suffix.lower() in SEPARATORS
    values = label_values(_label_column(rows, settings), task, labels.names, untyped) if task != "regression" else None
    return replace(_examples(rows, labels, groups, parts, (task, settings)), label_values=values)


def load_for_run(
    source: Any,
    settings: SourceSettings,
    task: str,
    label_names: Sequence[str],
    labelled: bool,
    may_lack: bool = True,
) -> Examples:
    """Read rows for a trained run: all of them, in order; splits only as the source itself declares them.

    A run for matching that is to be scored on captions without labels gets pairs made from them.

    Args:
        source: as for `load_examples`.
        settings: columns.
        task: that of the run.
        label_names: those of the run.
        labelled: whether labels are read.
        may_lack: take rows of which not one has a picture, or a text, too; it is said aloud.

    Raises:
        DataError: the rows cannot be read, or (with `labelled`) a label is none of `label_names`.
        ConfigError: the settings contradict the task.
    """
    settings, rows = read_rows(source, replace(settings, task=task) if labelled else settings, may_lack)
    unpaired = labelled and task == "matching" and settings.label is None
    if labelled and settings.hard_negatives and task != "matching":
        raise ConfigError(f"--hard-negatives is for matching from captions, and this run is for {task}. Leave it out.")
    labels = Labels([[] for _ in rows.ids], [None] * len(rows.ids), tuple(label_names))
    if unpaired:
        drop_incomplete(rows, settings.strict)
    elif labelled:
        labels = _read_labels(rows, settings, task, label_names)
    groups = splits.group_rows(rows.keys, rows.groups)
    every = np.array(["all"] * len(rows.ids), dtype=object)
    parts = splits.read_split(rows.splits, str(settings.split)) if rows.splits else every
    return (
        _pair(rows, groups, parts, parts, settings)
        if unpaired
        else _examples(rows, labels, groups, parts, (task, settings))
    )


def load_part(opened: Opened, first: int, task: str, label_names: Sequence[str]) -> Examples:
    """Read a part of a source for a trained run, without labels and splits; it may hold no row that can be used.

    Args:
        opened: the part.
        first: number of its first row in the source.
        task: of the run.
        label_names: of the run.

    Raises:
        DataError: the columns cannot be used; with `strict`, the first bad row or picture.
    """
    rows = read_part(opened, first)
    labels = Labels([[] for _ in rows.ids], [None] * len(rows.ids), tuple(label_names))
    every = np.array(["all"] * len(rows.ids), dtype=object)
    return _examples(rows, labels, np.arange(len(rows.ids)), every, (task, opened.settings))


def _choose_task(rows: Rows, settings: SourceSettings) -> str:
    if settings.task:
        if settings.task not in TASKS:
            raise DataError(unknown("task", settings.task, TASKS))
        return settings.task
    if settings.label is None and settings.image and settings.text:
        rows.notes.append("Task: matching, since there is no label column (--label or --task says otherwise).")
        return "matching"
    task = infer_task(_label_column(rows, settings))
    rows.notes.append(f"Task: {task}, seen from the labels (--task says otherwise).")
    return task


def _read_labels(rows: Rows, settings: SourceSettings, task: str, known: Sequence[str] | None = None) -> Labels:
    """Read the labels of the task and leave out the rows without one.

    Args:
        rows: all rows; those without a label are dropped.
        settings: which column.
        task: what the labels are for.
        known: the classes of a trained run; none: those that the source declares, or that occur.
    """
    if task == "matching" and settings.label is None:
        if not (settings.image and settings.text):
            raise DataError("Matching is about pictures and captions: give --image and --text.")
        drop_incomplete(rows, settings.strict)
        return Labels([[1] for _ in rows.ids], [None] * len(rows.ids), PAIR_LABELS, unpaired=True)
    column = _label_column(rows, settings)
    if task == "regression":
        targets = drop_unlabelled(rows, read_targets(column), settings.strict)
        name = known[0] if known else str(settings.label)
        return Labels([[] for _ in targets], list(targets), (name,))
    labels = drop_unlabelled(rows, read_labels(column, task), settings.strict)
    classes = tuple(known or rows.label_names or (PAIR_LABELS if task == "matching" else name_classes(labels)))
    numbers = {name: number for number, name in enumerate(classes)}
    strange = sorted({name for row in labels for name in row if name not in numbers})
    if strange:
        owner = "run" if known else "source"
        raise DataError(
            f"The rows have the label {strange[0]!r}, which the {owner} does not know ({len(strange)} such labels). "
            f"It knows: {', '.join(classes[:20])}."
        )
    return Labels([[numbers[name] for name in row] for row in labels], [None] * len(labels), classes)


def _pair(rows: Rows, groups: np.ndarray, pools: np.ndarray, parts: np.ndarray, settings: SourceSettings) -> Examples:
    """Make two pairs of every row: with its own caption, and with one of another picture of the same pool."""
    captions = Captions(groups, [str(text) for text in rows.texts], pools)
    other = draw_negatives(captions, settings.seed, settings.hard_negatives)
    paired = other >= 0
    if not paired.any():
        raise DataError(
            "No pair for matching could be made: each split needs captions of at least two pictures, none of which has "
            "more than half of them."
        )
    if not paired.all():
        rows.notes.append(
            f"warning: {int((~paired).sum()):,} rows found no caption of another picture and give no pair: one picture "
            "has more than half of the captions of its split, or all captions are alike."
        )
    kind = "a similar caption" if settings.hard_negatives else "a caption"
    rows.notes.append(
        f"Pairs: {2 * int(paired.sum()):,}, half of them with {kind} of another picture of the same split, each "
        f"given away once (seed {settings.seed}). Row 2 n is row n of the source as it is, row 2 n + 1 the other pair."
    )
    chosen = np.repeat(np.flatnonzero(paired), 2)
    fitting = np.arange(len(chosen)) % 2 == 0
    source = np.where(fitting, chosen, other[chosen])
    pairs = replace(
        rows,
        numbers=[2 * rows.numbers[row] + (not fits) for row, fits in zip(chosen, fitting, strict=True)],
        ids=[rows.ids[row] + ("" if fits else " (other caption)") for row, fits in zip(chosen, fitting, strict=True)],
        images=[rows.images[row] for row in chosen],
        keys=[rows.keys[row] for row in chosen],
        texts=[rows.texts[row] for row in source],
    )
    labels = Labels([[int(fits)] for fits in fitting], [None] * len(chosen), PAIR_LABELS)
    return _examples(pairs, labels, groups[chosen], parts[chosen], ("matching", settings))


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


def _note_train(rows: Rows, labels: Labels, parts: np.ndarray, task: str) -> None:
    """Say which classes cannot be learned; refuse a number that never changes."""
    train = [row for row, part in enumerate(parts) if part == "train"]
    if task == "regression":
        if len({labels.targets[row] for row in train}) < 2:
            raise DataError(f"The number {labels.names[0]!r} is the same in every train row: nothing can be learned.")
        return
    seen = {number for row in train for number in labels.coded[row]}
    unseen = [name for number, name in enumerate(labels.names) if number not in seen]
    if unseen:
        rows.notes.append(
            f"warning: {len(unseen)} of {len(labels.names)} classes occur in no train row and cannot be learned: "
            f"{', '.join(unseen[:5])}."
        )


def _examples(
    rows: Rows, labels: Labels, groups: np.ndarray, parts: np.ndarray, read: tuple[str, SourceSettings]
) -> Examples:
    task, settings = read
    columns = {
        "row": rows.numbers,
        "id": rows.ids,
        "image": rows.images,
        "image_key": rows.keys,
        "text": rows.texts,
        "text_key": [text_key(text) if text is not None else None for text in rows.texts],
        "label": labels.coded,
        "group": groups.tolist(),
        "split": [str(part) for part in parts],
        "target": labels.targets,
    }
    table = pa.table(columns, schema=COLUMNS)
    taken = {what: getattr(settings, what) for what in ("image", "text", "label")}
    return Examples(table, task, labels.names, tuple(rows.troubles), tuple(rows.notes), taken)
