"""From a source to Examples: columns chosen, pictures identified, rows in trouble listed, splits given or made."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from interfuse.core.errors import ConfigError, DataError
from interfuse.data import splits
from interfuse.data.easy_vqa import VALIDATION, read_easy_vqa
from interfuse.data.examples import COLUMNS, LEFT_OUT, MISSING_IMAGE, Examples, Trouble, text_key
from interfuse.data.labels import infer_task, name_classes, read_labels
from interfuse.data.pictures import identify_all, resolve
from interfuse.data.readers import as_texts, need_column, read_frame


@dataclass(frozen=True)
class SourceSettings:
    """How rows are read; names are columns of the table."""

    image: str | None = None
    """Column with the picture files."""
    text: str | None = None
    """Column with the texts."""
    label: str | None = None
    """Column with the labels: one class, or several joined by | or as a list."""
    id: str | None = None
    """Column that names a row; none: its number."""
    group: str | None = None
    """Rows with the same value stay in one split; rows with the same picture always do."""
    split: str | None = None
    """Column with train, validation or test."""
    image_folder: Path | None = None
    """Folder that picture files are relative to; none: the table's own."""
    validation: Path | None = None
    """File with the validation rows."""
    test: Path | None = None
    """File with the test rows."""
    task: str | None = None
    """multiclass or multilabel; none: seen from the labels."""
    strict: bool = False
    """Stop at the first bad row or picture."""
    seed: int = 0
    """Of the splits that are made."""
    validation_share: float = 0.15
    """Fraction of the rows for validation where it is made."""
    test_share: float = 0.15
    """Fraction of the rows for test where it is made."""
    folds: int | None = None
    """Cross-validate: every row is a test row in one of so many folds."""
    fold: int = 0
    """Which fold is the test split."""


@dataclass
class _Rows:
    """Rows while they are being read."""

    frame: pl.DataFrame
    numbers: list[int]
    ids: list[str]
    images: list[str | None]
    keys: list[str | None]
    texts: list[str | None]
    groups: list[str | None]
    splits: list[str | None] | None
    troubles: list[Trouble] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def keep(self, wanted: Sequence[bool]) -> None:
        """Drop the other rows."""
        places = [place for place, keep in enumerate(wanted) if keep]
        self.frame = self.frame[places]
        for name in ("numbers", "ids", "images", "keys", "texts", "groups", "splits"):
            column = getattr(self, name)
            if column is not None:
                setattr(self, name, [column[place] for place in places])


def load_examples(source: Any, settings: SourceSettings) -> Examples:
    """Read labelled rows and give each its split.

    Args:
        source: a file, a data frame, or `easy-vqa`.
        settings: columns and splits.

    Raises:
        DataError: file, columns, labels or splits cannot be used; with `strict`, the first bad row or picture.
    """
    settings, rows = _read(source, settings)
    if settings.label is None:
        raise DataError(f"Which column is the label? Give --label. Columns: {', '.join(rows.frame.columns)}.")
    column = need_column(rows.frame, settings.label, "the label")
    task = settings.task or infer_task(column)
    if not settings.task:
        rows.notes.append(f"Task: {task}, seen from the labels (--task says otherwise).")
    labels = _drop_unlabelled(rows, read_labels(column, task), settings.strict)
    classes = name_classes(labels)
    numbers = {name: number for number, name in enumerate(classes)}
    coded = [[numbers[name] for name in row] for row in labels]
    groups = splits.group_rows(rows.keys, rows.groups)
    parts = _split(rows, coded, groups, settings)
    _note_unseen_classes(rows, coded, parts, classes)
    return _examples(rows, coded, groups, parts, task, classes)


def load_for_run(
    source: Any, settings: SourceSettings, task: str, label_names: Sequence[str], labelled: bool
) -> Examples:
    """Read rows for a trained run: all of them, in order; splits only as the source itself declares them.

    Raises:
        DataError: the rows cannot be read, or (with `labelled`) a label is none of `label_names`.
    """
    settings, rows = _read(source, settings)
    coded: list[list[int]] = [[] for _ in rows.ids]
    if labelled:
        if settings.label is None:
            raise DataError(f"Which column is the label? Give --label. Columns: {', '.join(rows.frame.columns)}.")
        labels = _drop_unlabelled(
            rows, read_labels(need_column(rows.frame, settings.label, "the label"), task), settings.strict
        )
        known = {name: number for number, name in enumerate(label_names)}
        strange = sorted({name for row in labels for name in row if name not in known})
        if strange:
            raise DataError(
                f"The rows have the label {strange[0]!r}, which the run does not know ({len(strange)} such labels). "
                f"It knows: {', '.join(list(label_names)[:20])}."
            )
        coded = [[known[name] for name in row] for row in labels]
    groups = splits.group_rows(rows.keys, rows.groups)
    parts = splits.read_split(rows.splits, str(settings.split)) if rows.splits else np.array(["all"] * len(rows.ids))
    return _examples(rows, coded, groups, parts, task, tuple(label_names))


def _read(source: Any, settings: SourceSettings) -> tuple[SourceSettings, _Rows]:
    """Read the table, choose the columns, identify the pictures and leave out rows that have neither modality."""
    frame, settings = _frame(source, settings)
    if settings.image is None and settings.text is None:
        raise DataError(
            f"Which columns are the picture and the text? Give --image and --text. Columns: {', '.join(frame.columns)}."
        )
    count = frame.height
    blank: list[str | None] = [None] * count

    def column(name: str | None, what: str) -> list[str | None]:
        return as_texts(need_column(frame, name, what)) if name else blank

    rows = _Rows(
        frame,
        list(range(count)),
        [name or str(row) for row, name in enumerate(column(settings.id, "the id"))],
        column(settings.image, "the picture"),
        list(blank),
        column(settings.text, "the text"),
        column(settings.group, "the group"),
        column(settings.split, "the split") if settings.split else None,
    )
    if len(set(rows.ids)) < count:
        raise DataError(f"Column {settings.id!r} names rows, but {count - len(set(rows.ids)):,} of its values repeat.")
    _identify(rows, source, settings)
    _drop_empty(rows, settings.strict)
    return settings, rows


def _frame(source: Any, settings: SourceSettings) -> tuple[pl.DataFrame, SourceSettings]:
    """Read the table or built-in, and join separate validation and test files to it."""
    if isinstance(source, str) and source == "easy-vqa":
        columns = {name: name for name in ("id", "image", "text", "label", "split")}
        return read_easy_vqa(), replace(settings, **columns, validation_share=VALIDATION)
    frame = read_frame(source)
    files = {"validation": settings.validation, "test": settings.test}
    if not any(files.values()):
        return frame, settings
    if settings.split or settings.folds:
        raise ConfigError("Give --split, --folds, or files for validation and test: one way to split the rows.")
    parts = [frame.with_columns(pl.lit("train").alias("interfuse_split"))]
    for name, path in files.items():
        if path is not None:
            parts.append(read_frame(path).with_columns(pl.lit(name).alias("interfuse_split")))
    try:
        joined = pl.concat(parts, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"The files' columns do not fit together: {error}") from error
    return joined, replace(settings, split="interfuse_split")


def _identify(rows: _Rows, source: Any, settings: SourceSettings) -> None:
    """Give every usable picture its key; list the others."""
    is_file = isinstance(source, str | Path) and source != "easy-vqa"
    folder = settings.image_folder or (Path(source).parent if is_file else Path.cwd())
    if settings.image_folder is not None and not settings.image_folder.is_dir():
        raise DataError(f"--image-folder {settings.image_folder} is no folder.")
    paths, reasons = list(rows.images), [None] * len(rows.ids)
    for row, name in enumerate(rows.images):
        if name is not None:
            paths[row], reasons[row] = resolve(folder, name, settings.image_folder is not None)  # type: ignore[call-overload]
    known = identify_all(path for path, reason in zip(paths, reasons, strict=True) if path and not reason)
    for row, path in enumerate(paths):
        if path is None:
            continue
        reason = reasons[row] or known[path].reason
        rows.images[row] = path
        if reason is None:
            rows.keys[row] = known[path].key
            continue
        consequence = MISSING_IMAGE if rows.texts[row] else LEFT_OUT
        _trouble(rows, row, "image", f"{reason}: {path}", consequence, settings.strict)
    if settings.image and not any(rows.keys):
        first = rows.troubles[0].reason if rows.troubles else "every cell is blank"
        raise DataError(
            f"No picture of column {settings.image!r} could be read; the first: {first}. Is --image-folder right?"
        )


def _trouble(rows: _Rows, row: int, what: str, reason: str, consequence: str, strict: bool) -> None:
    if strict:
        raise DataError(f"Row {rows.numbers[row]} ({rows.ids[row]}): {reason}. Without --strict {consequence}.")
    rows.troubles.append(Trouble(rows.numbers[row], rows.ids[row], what, reason, consequence))


def _drop_empty(rows: _Rows, strict: bool) -> None:
    wanted = [bool(key or text) for key, text in zip(rows.keys, rows.texts, strict=True)]
    listed = {trouble.row for trouble in rows.troubles if trouble.consequence == LEFT_OUT}
    for row, keep in enumerate(wanted):
        if not keep and rows.numbers[row] not in listed:
            _trouble(rows, row, "row", "it has neither picture nor text", LEFT_OUT, strict)
    rows.keep(wanted)
    if not rows.ids:
        raise DataError("No row is left: none has a readable picture or a text.")


def _drop_unlabelled(rows: _Rows, labels: list[tuple[str, ...] | None], strict: bool) -> list[tuple[str, ...]]:
    for row, label in enumerate(labels):
        if label is None:
            _trouble(rows, row, "row", "it has no label", LEFT_OUT, strict)
    rows.keep([label is not None for label in labels])
    if not rows.ids:
        raise DataError("No row is left: none has a label.")
    return [label for label in labels if label is not None]


def _split(rows: _Rows, coded: list[list[int]], groups: np.ndarray, settings: SourceSettings) -> np.ndarray:
    """Give each row its part: as the column says, by fold, or dealt by group."""
    classes = np.array([row[0] if row else -1 for row in coded])
    names = [key or name for key, name in zip(rows.keys, rows.ids, strict=True)]
    share = settings.validation_share
    if settings.folds:
        if rows.splits is not None:
            raise ConfigError("Give --split or --folds, not both: folds make every row a test row once.")
        shares = {str(fold): 1 / settings.folds for fold in range(settings.folds)}
        fold = splits.deal(groups, classes, names, shares, settings.seed)
        parts = np.where(fold == str(settings.fold), "test", "train").astype(object)
        rows.notes.append(
            f"Folds: {settings.folds}, dealt by group (seed {settings.seed}); validation is part of train."
        )
        return _carve(parts, "validation", share, groups, classes, names, settings.seed)
    if rows.splits is None:
        parts = np.full(len(groups), "train", dtype=object)
        parts = _carve(parts, "test", settings.test_share, groups, classes, names, settings.seed)
        kept = share / (1 - settings.test_share)
        parts = _carve(parts, "validation", kept, groups, classes, names, settings.seed)
        rows.notes.append(
            f"Split: made, by group (seed {settings.seed}): {_counts(parts)}. --split COL or --test FILE give your own."
        )
        return parts
    parts = splits.read_split(rows.splits, str(settings.split))
    if not (parts == "train").any():
        raise DataError(f"Column {settings.split!r} calls no row train.")
    straddling = splits.leaks(groups, parts)
    if straddling:
        rows.notes.append(
            f"warning: {straddling:,} groups of rows with the same picture straddle the given split: a leak. "
            "The split is used as given."
        )
    for name, part in (("test", settings.test_share), ("validation", share)):
        if not (parts == name).any():
            parts = _carve(parts, name, part, groups, classes, names, settings.seed)
            rows.notes.append(f"Split: {name} carved from train by group (seed {settings.seed}): {_counts(parts)}.")
    return parts


def _carve(
    parts: np.ndarray,
    name: str,
    share: float,
    groups: np.ndarray,
    classes: np.ndarray,
    names: list[str],
    seed: int,
) -> np.ndarray:
    """Move a share of the train rows, whole groups, to another part."""
    inside = np.flatnonzero(parts == "train")
    dealt = splits.deal(
        groups[inside],
        classes[inside],
        [names[row] for row in inside],
        {"train": 1 - share, name: share},
        seed,
    )
    parts = parts.copy()
    parts[inside] = dealt
    if not (dealt == name).any():
        raise DataError(
            f"{len(set(groups[inside].tolist()))} groups of rows are too few to make a {name} split: "
            "give more rows, or a split of your own."
        )
    return parts


def _counts(parts: np.ndarray) -> str:
    return ", ".join(f"{int((parts == name).sum()):,} {name}" for name in ("train", "validation", "test"))


def _note_unseen_classes(rows: _Rows, coded: list[list[int]], parts: np.ndarray, classes: Sequence[str]) -> None:
    seen = {number for row, part in zip(coded, parts, strict=True) if part == "train" for number in row}
    unseen = [name for number, name in enumerate(classes) if number not in seen]
    if unseen:
        rows.notes.append(
            f"warning: {len(unseen)} of {len(classes)} classes occur in no train row and cannot be learned: "
            f"{', '.join(unseen[:5])}."
        )


def _examples(
    rows: _Rows,
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
    texts = [text.encode("utf-8", "replace").decode() if text is not None else None for text in rows.texts]
    table = pa.table({**columns, "text": texts}, schema=COLUMNS)
    return Examples(table, task, classes, tuple(rows.troubles), tuple(rows.notes))
