"""Rows while they are read: columns chosen, pictures identified, rows in trouble listed."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from interfuse.core.errors import DataError
from interfuse.data.examples import LEFT_OUT, MISSING_IMAGE, Trouble, text_key
from interfuse.data.pictures import NamedPictures, RemoteCache, Unpacked, as_series, identify_names
from interfuse.data.readers import Opened, open_source
from interfuse.data.tables import check_texts, clean_texts, need_column, number_values, ranges, take
from interfuse.settings import SourceSettings

_COLUMNS = {"id": "the id", "image": "the picture", "text": "the text", "group": "the group", "split": "the split"}
"""Columns that hold texts, in the order in which they are looked for, and what an error calls them."""


@dataclass
class Rows:
    """Rows while they are being read: the source as it is, which of its rows are left, and what was found out.

    Of a row no more than some numbers is held beside the source; cells are looked at some rows at a time.
    """

    frame: pl.DataFrame
    """The source, every row of it."""
    settings: SourceSettings
    """Which columns are used."""
    first: int
    """Number of the frame's first row in the source."""
    places: np.ndarray
    """Rows of the frame that are left, in order."""
    pictures: NamedPictures
    """Of every row of the frame."""
    has_text: np.ndarray
    """Of every row of the frame."""
    captions: np.ndarray | None = None
    """Whose text each row shows, where every row stands twice: with its own text, then with another; none: its own."""
    troubles: list[Trouble] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    label_names: tuple[str, ...] | None = None
    """The classes, where the source declares them; else those that occur."""

    def __len__(self) -> int:
        """Count the rows that are left."""
        return len(self.places)

    def keep(self, mask: np.ndarray) -> None:
        """Drop the rows where the mask is False."""
        if not mask.all():
            self.places = self.places[mask]

    def cells(self, what: str, rows: np.ndarray | None = None) -> pl.Series:
        """Return a column as texts, blank cells as null; of all rows that are left unless told otherwise.

        Args:
            what: image, text, group or split; null where there is no such column.
            rows: numbers among the rows that are left.
        """
        places = self.captions if what == "text" and self.captions is not None else self.places
        places = places if rows is None else places[rows]
        name = getattr(self.settings, what)
        if name is None:
            return pl.repeat(None, len(places), dtype=pl.String, eager=True)
        return clean_texts(take(self.frame[name], places))

    def numbers(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows' numbers in the source; of pairs, twice that, the second of the two one more."""
        numbers: np.ndarray = self.places[rows].astype(np.int64) + self.first
        return numbers if self.captions is None else 2 * numbers + rows % 2

    def ids(self, rows: np.ndarray) -> pl.Series:
        """Return the rows' names by their column, or else by their numbers in the source."""
        numbers = pl.Series(self.places[rows].astype(np.int64) + self.first).cast(pl.String)
        ids = numbers if self.settings.id is None else self.cells("id", rows).fill_null(numbers)
        if self.captions is None:
            return ids
        return ids + pl.Series([" (other caption)" if odd else "" for odd in rows % 2], dtype=pl.String)

    def columns(self, rows: np.ndarray) -> dict[str, pl.Series]:
        """Return what the rows show: row, id, image, image_key, text and text_key, as `examples.COLUMNS` says."""
        text, shown = self.cells("text", rows), self.pictures.of_row[self.places[rows]]
        pictures = pa.array(shown, mask=shown < 0)
        return {
            "row": pl.Series(self.numbers(rows)),
            "id": self.ids(rows),
            "image": as_series(self.pictures.paths.take(pictures)),
            "image_key": as_series(self.pictures.keys.take(pictures)),
            "text": text,
            "text_key": hash_texts(text),
        }

    def has_key(self) -> np.ndarray:
        """Whether each row has a picture that can be used."""
        has_key: np.ndarray = self.pictures.has_key()[self.places]
        return has_key

    def list_troubles(
        self, rows: np.ndarray, what: str, reasons: Iterable[str], consequences: Iterable[str], strict: bool
    ) -> None:
        """List the troubles of these rows, one each.

        Raises:
            DataError: there is one, and `strict` is set.
        """
        entries = zip(self.numbers(rows).tolist(), self.ids(rows).to_list(), reasons, consequences)  # noqa: B905
        for number, name, reason, consequence in entries:
            if strict:
                raise DataError(f"Row {number} ({name}): {reason}. With strict=False {consequence}.")
            self.troubles.append(Trouble(number, name, what, reason, consequence))

    def leave_out(self, mask: np.ndarray, reason: str, strict: bool, listed: Collection[int] = ()) -> None:
        """Drop the rows where the mask is False and list them, but for those whose numbers are `listed` already.

        Raises:
            DataError: there is one, and `strict` is set.
        """
        others = np.flatnonzero(~mask)
        new = others[~np.isin(self.numbers(others), list(listed))]
        self.list_troubles(new, "row", repeat(reason), repeat(LEFT_OUT), strict)
        self.keep(mask)


def hash_texts(texts: pl.Series) -> pl.Series:
    """Return the texts' keys; null where there is none."""
    return pl.Series([None if text is None else text_key(text) for text in texts.to_list()], dtype=pl.String)


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
    if 2 * len(opened.broken) > len(rows):
        row, reason = next(iter(opened.broken.items()))
        raise DataError(f"{len(opened.broken):,} of {len(rows):,} rows cannot be read; the first: row {row}: {reason}.")
    _drop_broken(rows, opened.broken, settings.strict)
    _check_ids(rows)
    _identify(rows, opened)
    for lack in _find_lacks(rows, settings):
        if not may_lack:
            raise DataError(lack)
        rows.notes.append(f"warning: {lack}")
    _drop_empty(rows, settings.strict)
    if not len(rows):
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
    _identify(rows, opened)
    _drop_empty(rows, opened.settings.strict)
    return rows


def check_columns(opened: Opened) -> None:
    """Refuse a table without the columns that are asked for, or with neither picture nor text; no row is read."""
    _lay_out(replace(opened, frame=opened.frame.clear(), folders=[], broken={}), 0)


def _lay_out(opened: Opened, first: int) -> Rows:
    """Return all rows with the columns that are used; no picture is looked at yet."""
    frame, settings = opened.frame, opened.settings
    if settings.image is None and settings.text is None:
        raise DataError(
            f"Which columns are the picture and the text? Give image=… and text=…. Columns: {', '.join(frame.columns)}."
        )
    for what, title in _COLUMNS.items():
        name = getattr(settings, what)
        if name:
            check_texts(need_column(frame, name, title))
    if frame.height > np.iinfo(np.int32).max:
        raise DataError(f"{frame.height:,} rows are too many to be read at once: split them into files.")
    places, no_text = np.arange(frame.height, dtype=np.int32), np.zeros(frame.height, bool)
    nothing = NamedPictures.none(frame.height)
    return Rows(
        frame, settings, first, places, nothing, no_text, notes=list(opened.notes), label_names=opened.label_names
    )


def _drop_broken(rows: Rows, broken: Mapping[int, str], strict: bool) -> None:
    """Leave out the rows that could not be read, each with its reason."""
    rows.list_troubles(np.array(list(broken), np.int64), "row", broken.values(), repeat(LEFT_OUT), strict)
    readable = np.ones(len(rows), bool)
    readable[list(broken)] = False
    rows.keep(readable)


def _check_ids(rows: Rows) -> None:
    if rows.settings.id is None:
        return
    numbers, firsts = number_values(len(rows), rows.ids)
    repeated = len(rows) - len(firsts)
    if repeated:
        first = rows.ids(np.flatnonzero(firsts[numbers] != np.arange(len(rows)))[:1])[0]
        raise DataError(
            f"Column {rows.settings.id!r} names rows, but {repeated:,} of its values repeat, such as {first!r}. "
            "Without id=… the rows are numbered."
        )


def _identify(rows: Rows, opened: Opened) -> None:
    """Find out which rows have a text, and give every usable picture its key, and remote ones a file here.

    Pictures that cannot be used are listed.
    """
    settings, frame = opened.settings, rows.frame
    for piece in ranges(frame.height if settings.text else 0):
        rows.has_text[piece] = clean_texts(frame[str(settings.text)][piece]).is_not_null().to_numpy()
    if settings.image is None:
        return
    names = clean_texts(frame[settings.image])
    if opened.broken:
        names = names.set(pl.Series(~np.isin(np.arange(frame.height), rows.places)), None)
    bounded = settings.image_folder is not None
    cache = None if settings.fetch == "none" else RemoteCache(Unpacked(settings.unpack_to), settings.fetch == "any")
    pictures = rows.pictures = identify_names(names, opened.folders, bounded, settings.allow_outside, cache)
    of_row = pictures.of_row[rows.places]
    bad = np.flatnonzero(np.isin(of_row, list(pictures.reasons)))
    reasons = (f"{pictures.reasons[number]}: {pictures.paths[number]}" for number in of_row[bad].tolist())
    consequences = (MISSING_IMAGE if has_text else LEFT_OUT for has_text in rows.has_text[rows.places[bad]].tolist())
    rows.list_troubles(bad, "image", reasons, consequences, settings.strict)
    rows.notes += cache.notes() if cache else []
    if pictures.outside and not (opened.complete or settings.allow_outside):
        rows.notes.append(
            f"{pictures.outside:,} pictures are named by paths from the root that lead outside the table's folder, "
            "and are read. An image_folder bounds them."
        )


def _find_lacks(rows: Rows, settings: SourceSettings) -> list[str]:
    """Return a sentence for each modality that not one row has, although it has a column."""
    lacks = []
    if settings.image and not rows.has_key().any():
        first = rows.troubles[0].reason if rows.troubles else "every cell is blank"
        hint = " Is image_folder=… right?" if rows.troubles and "allow_outside" not in first else ""
        lacks.append(f"No picture of column {settings.image!r} could be read; the first: {first}.{hint}")
    if settings.text and not rows.has_text[rows.places].any():
        lacks.append(f"No row has a text in column {settings.text!r}: every cell is blank.")
    return lacks


def _drop_empty(rows: Rows, strict: bool) -> None:
    usable = rows.has_key() | rows.has_text[rows.places]
    listed = {trouble.row for trouble in rows.troubles if trouble.consequence == LEFT_OUT}
    rows.leave_out(usable, "it has neither picture nor text", strict, listed)


def drop_unlabelled(rows: Rows, labelled: np.ndarray, strict: bool) -> None:
    """Leave out the rows that have no label.

    Raises:
        DataError: no row is left; with `strict`, the first row without a label.
    """
    rows.leave_out(labelled, "it has no label", strict)
    if not len(rows):
        raise DataError("No row is left: none has a label.")


def drop_incomplete(rows: Rows, strict: bool) -> None:
    """Leave out the rows that lack a picture or a text, of which no pair can be made.

    Raises:
        DataError: no row is left; with `strict`, the first such row.
    """
    complete = rows.has_key() & rows.has_text[rows.places]
    rows.leave_out(complete, "a pair needs both a picture and a text", strict)
    if not len(rows):
        raise DataError("No row is left: none has both a picture and a text.")
