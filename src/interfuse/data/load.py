"""From a source to Examples: rows read, labels understood, splits given or made."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from interfuse.core.errors import ConfigError, DataError, unknown
from interfuse.core.progress import Progress, Silent
from interfuse.core.tasks import PAIR_LABELS, TASKS
from interfuse.data import splits
from interfuse.data.examples import COLUMNS, Examples
from interfuse.data.labels import infer_task, label_values
from interfuse.data.matching import Captions, draw_negatives
from interfuse.data.picture_groups import NOTE, PictureGroups, group_pictures
from interfuse.data.readers import Opened
from interfuse.data.row_labels import Labels, choose_column, first_classes, read_row_labels
from interfuse.data.rows import Rows, drop_incomplete, hash_texts, read_part, read_rows
from interfuse.data.tables import Spool, number_values, ranges
from interfuse.settings import SEPARATORS, SourceSettings


def load_examples(source: Any, settings: SourceSettings, progress: Progress | None = None) -> Examples:
    """Read rows and give each its label and its split.

    Without a label column the task is matching: each row gives a pair that fits, and one that does not.

    Args:
        source: a file, a folder or dataset by its prefix, a data frame, or `easy-vqa`.
        settings: columns and splits.
        progress: told how far it is.

    Raises:
        DataError: file, columns, labels or splits cannot be used; with `strict`, the first bad row or picture.
        ConfigError: the settings contradict each other or the task.
    """
    settings, rows = read_rows(source, settings)
    task = _choose_task(rows, settings)
    labels = read_row_labels(rows, task)
    pictures = group_pictures(rows, progress or Silent())
    groups = _group(rows, pictures)
    table = splits.Table(groups, first_classes(labels.coded), *_names(rows))
    rows.notes += pictures.notes
    parts, notes = _split(rows, table, settings)
    rows.notes += notes
    if labels.unpaired:
        if settings.resplit:
            raise ConfigError(
                "resplit=… needs the same rows in every split, and pairs for matching are made within a split from "
                "captions. Give folds=…, or pairs with a label column."
            )
        pools = splits.deal_folds(table, settings) if settings.folds else parts
        return replace(_pair(rows, groups, pools, parts, settings), near_copies=pictures.near_copies)
    if settings.hard_negatives:
        raise ConfigError(
            f"hard_negatives=True is for matching from captions alone, and here the task is {task}, from column "
            f"{settings.label!r}. Leave it out, or say task=matching, label=none."
        )
    _note_train(rows, labels, parts)
    untyped = isinstance(source, str | Path) and Path(source).suffix.lower() in SEPARATORS
    values = label_values(choose_column(rows), task, labels.names, untyped) if task != "regression" else None
    examples = _examples(rows, labels, groups, parts, task, settings)
    return replace(examples, label_values=values, near_copies=pictures.near_copies)


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
        raise ConfigError(f"hard_negatives=True is for matching from captions, this run is for {task}. Leave it out.")
    labels = Labels.none(len(rows), label_names)
    if unpaired:
        drop_incomplete(rows, settings.strict)
    elif labelled:
        labels = read_row_labels(rows, task, label_names)
    equal = PictureGroups(rows.pictures.key_numbers()[rows.places])  # is enough for what is neither split nor scored
    groups = _group(rows, group_pictures(rows, Silent()) if labelled else equal)
    every = np.full(len(rows), "all", dtype=object)
    parts = splits.read_split(rows.cells("split"), settings.split) if settings.split else every
    return (
        _pair(rows, groups, parts, parts, settings)
        if unpaired
        else _examples(rows, labels, groups, parts, task, settings)
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
    every = np.full(len(rows), "all", dtype=object)
    return _examples(rows, Labels.none(len(rows), label_names), np.arange(len(rows)), every, task, opened.settings)


def _choose_task(rows: Rows, settings: SourceSettings) -> str:
    if settings.task:
        if settings.task not in TASKS:
            raise DataError(unknown("task", settings.task, TASKS))
        return settings.task
    if settings.label is None and settings.image and settings.text:
        rows.notes.append("Task: matching, since there is no label column (label=… or task=… says otherwise).")
        return "matching"
    task = infer_task(choose_column(rows))
    rows.notes.append(f"Task: {task}, seen from the labels (task=… says otherwise).")
    return task


def _pair(rows: Rows, groups: np.ndarray, pools: np.ndarray, parts: np.ndarray, settings: SourceSettings) -> Examples:
    """Make two pairs of every row: with its own caption, and with one of another picture of the same pool."""
    captions = Captions(groups, rows.cells("text"), pools)
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
    images = np.repeat(np.flatnonzero(paired), 2)
    fitting = np.arange(len(images)) % 2 == 0
    texts = np.where(fitting, images, other[images])
    pairs = replace(rows, places=rows.places[images], captions=rows.places[texts])
    labels = Labels.one_each(fitting.astype(np.int64), PAIR_LABELS)
    return _examples(pairs, labels, groups[images], parts[images], "matching", settings)


def _split(rows: Rows, table: splits.Table, settings: SourceSettings) -> tuple[np.ndarray, list[str]]:
    """Return the part of each row, and the sentences that must be said aloud.

    Raises:
        DataError: as `splits.make_parts`; where there are too few groups, near-copies are told too.
    """
    try:
        return splits.make_parts(table, rows.cells("split") if settings.split else None, settings)
    except DataError as error:
        near = [note for note in rows.notes if note.startswith(NOTE)]
        if settings.split or not near:
            raise
        raise DataError(" ".join([str(error), *near])) from error


def _group(rows: Rows, pictures: PictureGroups) -> np.ndarray:
    """Return the number of each row's group: of rows with the same picture, or the same value in the column for it."""
    columns = [pictures.of_row]
    if rows.settings.group:
        columns.append(number_values(len(rows), lambda places: rows.cells("group", places))[0])
    return splits.group_rows(*columns)


def _names(rows: Rows) -> tuple[pl.Series, np.ndarray]:
    """Return a name for each row by what does not depend on the order of the rows, as far as it has such a thing.

    Returns:
        The distinct pictures' keys, then the names of the rows without a picture; and which of them each row has.
    """
    spool, keys, no_image = Spool(pa.schema([("name", pa.large_string())])), rows.pictures.keys, ~rows.has_key()
    spool.add(pa.table({"name": keys}, spool.schema))
    bare = np.flatnonzero(no_image)
    for piece in ranges(len(bare)):
        names = rows.ids(bare[piece])
        if rows.settings.id is None:
            names = hash_texts(rows.cells("text", bare[piece])).fill_null(names)
        spool.add(pa.table({"name": names.to_arrow()}, spool.schema))
    new = np.cumsum(no_image, dtype=np.int32) + (len(keys) - 1)
    of_row = np.where(no_image, new, rows.pictures.of_row[rows.places])
    return pl.Series(pl.from_arrow(spool.finish()["name"], rechunk=False)), of_row


def _note_train(rows: Rows, labels: Labels, parts: np.ndarray) -> None:
    """Say which classes cannot be learned; refuse a number that never changes."""
    train = parts == "train"
    if labels.targets is not None:
        if len(np.unique(labels.targets[train])) < 2:
            raise DataError(f"The number {labels.names[0]!r} is the same in every train row: nothing can be learned.")
        return
    sizes = np.diff(labels.coded.offsets.to_numpy())
    learnable = set(np.unique(labels.coded.values.to_numpy()[np.repeat(train, sizes)]).tolist())
    absent = [name for number, name in enumerate(labels.names) if number not in learnable]
    if absent:
        rows.notes.append(
            f"warning: {len(absent)} of {len(labels.names)} classes occur in no train row and cannot be learned: "
            f"{', '.join(absent[:5])}."
        )


def _examples(
    rows: Rows, labels: Labels, groups: np.ndarray, parts: np.ndarray, task: str, settings: SourceSettings
) -> Examples:
    spool = Spool(COLUMNS)
    for piece in ranges(len(rows)):
        part = np.arange(piece.start, piece.stop)
        columns = {
            **{name: column.to_arrow() for name, column in rows.columns(part).items()},
            "label": labels.coded[piece],
            "group": pa.array(groups[piece]),
            "split": pa.array(parts[piece], pa.string()),
            "target": pa.array([None] * len(part) if labels.targets is None else labels.targets[piece], pa.float64()),
        }
        spool.add(pa.table([columns[cell.name].cast(cell.type) for cell in COLUMNS], COLUMNS))
    sources = {what: getattr(settings, what) for what in ("image", "text", "label")}
    return Examples(spool.finish(), task, labels.names, tuple(rows.troubles), tuple(rows.notes), sources)
