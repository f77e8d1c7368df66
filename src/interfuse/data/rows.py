"""Rows while they are read: columns chosen, pictures identified, rows in trouble listed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.examples import LEFT_OUT, MISSING_IMAGE, Trouble
from interfuse.data.opening import Opened, open_source
from interfuse.data.pictures import identify_all, leads_outside, resolve
from interfuse.data.readers import as_texts, need_column
from interfuse.data.remote import RemoteCache
from interfuse.data.settings import SourceSettings
from interfuse.data.unpack import Unpacked

L = TypeVar("L")


@dataclass
class Rows:
    """Rows while they are being read; the columns have one length."""

    frame: pl.DataFrame
    numbers: list[int]
    ids: list[str]
    images: list[str | None]
    keys: list[str | None]
    texts: list[str | None]
    groups: list[str | None]
    splits: list[str | None] | None
    named: bool
    """Whether the ids come from a column, so that they stay when rows change places."""
    troubles: list[Trouble] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    label_names: tuple[str, ...] | None = None
    """The classes, where the source declares them; else those that occur."""

    def keep(self, wanted: Sequence[bool]) -> None:
        """Drop the other rows."""
        places = [place for place, keep in enumerate(wanted) if keep]
        self.frame = self.frame[places]
        for name in ("numbers", "ids", "images", "keys", "texts", "groups", "splits"):
            column = getattr(self, name)
            if column is not None:
                setattr(self, name, [column[place] for place in places])

    def trouble(self, row: int, what: str, reason: str, consequence: str, strict: bool) -> None:
        """List one row's trouble.

        Raises:
            DataError: `strict` is set.
        """
        if strict:
            raise DataError(f"Row {self.numbers[row]} ({self.ids[row]}): {reason}. Without --strict {consequence}.")
        self.troubles.append(Trouble(self.numbers[row], self.ids[row], what, reason, consequence))


def read_rows(source: Any, settings: SourceSettings, may_lack: bool = False) -> tuple[SourceSettings, Rows]:
    """Read the table, choose the columns, identify the pictures and leave out rows that have neither modality.

    Args:
        source: a file, a folder or dataset by its prefix, a data frame, or `easy-vqa`.
        settings: columns.
        may_lack: say it aloud where no row has a picture, or none a text, instead of refusing such rows.

    Returns:
        The settings with the columns that a built-in or separate files bring, and the rows.

    Raises:
        DataError: file, columns or ids cannot be used; with `strict`, the first bad row or picture.
    """
    opened = open_source(source, settings)
    rows, settings = _lay_out(opened, 0), opened.settings
    if 2 * len(opened.broken) > len(rows.ids):
        row, reason = next(iter(opened.broken.items()))
        raise DataError(
            f"{len(opened.broken):,} of {len(rows.ids):,} rows cannot be read; the first: row {row}: {reason}."
        )
    _drop_broken(rows, opened.broken, settings.strict)
    _check_ids(rows, settings)
    _identify(rows, opened, 0)
    for lack in _find_lacks(rows, settings):
        if not may_lack:
            raise DataError(lack)
        rows.notes.append(f"warning: {lack}")
    _drop_empty(rows, settings.strict)
    if not rows.ids:
        raise DataError("No row is left: none has a readable picture or a text.")
    return settings, rows


def read_part(opened: Opened, first: int) -> Rows:
    """Read a part of a source, of which any rows may be bad or blank; ids that repeat are kept.

    Args:
        opened: the part.
        first: number of its first row in the source.

    Raises:
        DataError: the columns cannot be used; with `strict`, the first bad row or picture.
    """
    rows = _lay_out(opened, first)
    _drop_broken(rows, opened.broken, opened.settings.strict)
    _identify(rows, opened, first)
    _drop_empty(rows, opened.settings.strict)
    return rows


def check_columns(opened: Opened) -> None:
    """Refuse a table without the columns that are asked for, or with neither picture nor text; no row is read."""
    _lay_out(replace(opened, frame=opened.frame.clear(), folders=[], broken={}), 0)


def _lay_out(opened: Opened, first: int) -> Rows:
    """Take the columns, every row of them; no picture is looked at yet."""
    frame, settings = opened.frame, opened.settings
    if settings.image is None and settings.text is None:
        raise DataError(
            f"Which columns are the picture and the text? Give --image and --text. Columns: {', '.join(frame.columns)}."
        )
    blank: list[str | None] = [None] * frame.height

    def column(name: str | None, what: str) -> list[str | None]:
        return as_texts(need_column(frame, name, what)) if name else list(blank)

    return Rows(
        frame,
        list(range(first, first + frame.height)),
        [name or str(row) for row, name in enumerate(column(settings.id, "the id"), first)],
        column(settings.image, "the picture"),
        list(blank),
        column(settings.text, "the text"),
        column(settings.group, "the group"),
        column(settings.split, "the split") if settings.split else None,
        settings.id is not None,
        notes=list(opened.notes),
        label_names=opened.label_names,
    )


def _drop_broken(rows: Rows, broken: Mapping[int, str], strict: bool) -> None:
    """Leave out the rows that could not be read, each with its reason."""
    for row, reason in broken.items():
        rows.trouble(row, "row", reason, LEFT_OUT, strict)
    rows.keep([row not in broken for row in range(len(rows.ids))])


def _check_ids(rows: Rows, settings: SourceSettings) -> None:
    repeated = len(rows.ids) - len(set(rows.ids))
    if repeated:
        seen: set[str] = set()
        first = next(name for name in rows.ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise DataError(
            f"Column {settings.id!r} names rows, but {repeated:,} of its values repeat, such as {first!r}. "
            "Without --id the rows are numbered."
        )


def _identify(rows: Rows, opened: Opened, first: int) -> None:
    """Give every usable picture its key, and remote ones a file here; list the others.

    Args:
        rows: what is left of the rows.
        opened: where they come from.
        first: number of its first row.
    """
    settings = opened.settings
    bounded = settings.image_folder is not None
    folders = [opened.folders[row - first] for row in rows.numbers]
    found: dict[tuple[Path, str], tuple[str, str | None]] = {}
    for folder, name in zip(folders, rows.images, strict=True):
        if name is not None and (folder, name) not in found:
            found[folder, name] = resolve(folder, name, bounded, settings.allow_outside)
    cache = RemoteCache(Unpacked(settings.unpack_to))
    known = identify_all((path for path, reason in found.values() if reason is None), cache)
    for row, (folder, name) in enumerate(zip(folders, rows.images, strict=True)):
        if name is None:
            continue
        path, reason = found[folder, name]
        reason = reason or known[path].reason
        rows.images[row] = path if reason else known[path].file or path
        if reason is None:
            rows.keys[row] = known[path].key
            continue
        consequence = MISSING_IMAGE if rows.texts[row] else LEFT_OUT
        rows.trouble(row, "image", f"{reason}: {path}", consequence, settings.strict)
    rows.notes += cache.notes()
    far = sum(leads_outside(folder, path) for (folder, _), (path, reason) in found.items() if reason is None)
    if far and not (opened.complete or settings.allow_outside):
        rows.notes.append(
            f"{far:,} pictures are named by paths from the root or URLs outside the table's folder, and are read. An "
            "--image-folder bounds them."
        )


def _find_lacks(rows: Rows, settings: SourceSettings) -> list[str]:
    """Say which modality not one row has, although it has a column."""
    lacks = []
    if settings.image and not any(rows.keys):
        first = rows.troubles[0].reason if rows.troubles else "every cell is blank"
        asked = " Is --image-folder right?" if rows.troubles and "--allow-outside" not in first else ""
        lacks.append(f"No picture of column {settings.image!r} could be read; the first: {first}.{asked}")
    if settings.text and not any(rows.texts):
        lacks.append(f"No row has a text in column {settings.text!r}: every cell is blank.")
    return lacks


def _drop_empty(rows: Rows, strict: bool) -> None:
    wanted = [bool(key or text) for key, text in zip(rows.keys, rows.texts, strict=True)]
    listed = {trouble.row for trouble in rows.troubles if trouble.consequence == LEFT_OUT}
    for row, keep in enumerate(wanted):
        if not keep and rows.numbers[row] not in listed:
            rows.trouble(row, "row", "it has neither picture nor text", LEFT_OUT, strict)
    rows.keep(wanted)


def drop_unlabelled(rows: Rows, labels: list[L | None], strict: bool) -> list[L]:
    """Leave out the rows that have no label; give the labels of the others.

    Raises:
        DataError: no row is left; with `strict`, the first row without a label.
    """
    for row, label in enumerate(labels):
        if label is None:
            rows.trouble(row, "row", "it has no label", LEFT_OUT, strict)
    rows.keep([label is not None for label in labels])
    if not rows.ids:
        raise DataError("No row is left: none has a label.")
    return [label for label in labels if label is not None]


def drop_incomplete(rows: Rows, strict: bool) -> None:
    """Leave out the rows that lack a picture or a text, of which no pair can be made.

    Raises:
        DataError: no row is left; with `strict`, the first such row.
    """
    wanted = [bool(key and text) for key, text in zip(rows.keys, rows.texts, strict=True)]
    for row, keep in enumerate(wanted):
        if not keep:
            rows.trouble(row, "row", "a pair needs both a picture and a text", LEFT_OUT, strict)
    rows.keep(wanted)
    if not rows.ids:
        raise DataError("No row is left: none has both a picture and a text.")
