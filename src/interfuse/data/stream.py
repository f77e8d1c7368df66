"""Rows part by part: a file of any length in bounded memory; every other source is read whole and given in parts."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.readers import (
    BROKEN,
    COLUMN_TYPES,
    PIECE_ROWS,
    Opened,
    delimited_pieces,
    guess_columns,
    is_table_file,
    json_lines_pieces,
    note_broken,
    open_source,
    parquet_pieces,
    refuse_wide,
    scan_json_lines,
    scan_parquet,
)
from interfuse.data.rows import check_columns
from interfuse.settings import SEPARATORS, SourceSettings, check_file

Pieces = Iterator[tuple[int, pl.DataFrame]]
"""Number of the first row and some rows, in order; pieces that nobody wants may be left out."""
HASHED_ROWS = 10_000
"""Rows of a table in memory that are hashed at once."""


@dataclass(frozen=True)
class Stream:
    """A source whose rows are read when they are asked for."""

    rows: int
    settings: SourceSettings
    """With the columns chosen."""
    digest: str
    """Hash of the content: of the whole file, or of the chosen columns of what is no file."""
    notes: list[str]
    _pieces: Callable[[int, Collection[int]], Pieces] = field(repr=False)
    """Rows a part and the numbers of the wanted parts to the rows."""
    _folders: Callable[[int, int], list[Path]] = field(repr=False)
    """Range of rows to the folder of each row's picture."""

    def parts(self, size: int, wanted: Collection[int]) -> Iterator[tuple[int, Opened]]:
        """Return the wanted parts of `size` rows in order, by number from 0; the last may be shorter.

        Raises:
            DataError: the file cannot be read any more, or has changed.
        """
        for number, frame in _cut(self._pieces(size, wanted), self.rows, size, wanted):
            first, broken = number * size, {}
            if BROKEN in frame.columns:
                broken = {row: reason for row, reason in enumerate(frame[BROKEN].to_list()) if reason is not None}
                frame = frame.drop(BROKEN)
            yield number, Opened(frame, self._folders(first, first + frame.height), self.settings, broken=broken)


def open_stream(source: Any, settings: SourceSettings) -> Stream:
    """Open a source, check what can be checked before any row is used, and choose the columns.

    A CSV, TSV, JSON lines or Parquet file is read piece by piece, the former three once beforehand too, to count the
    rows and to see whether most can be read. A folder, dataset, data frame or joined file is read whole.

    Raises:
        DataError: it cannot be read, has no row, or lacks a column.
    """
    if is_table_file(source) and not (settings.join or settings.validation or settings.test):
        return _open_file(Path(source), settings)
    opened = open_source(source, settings)
    check_columns(opened)
    reasons = pl.Series(BROKEN, [opened.broken.get(row) for row in range(opened.frame.height)], dtype=pl.String)
    frame = opened.frame.select(_columns(opened.settings)).with_columns(reasons)
    return Stream(
        frame.height,
        opened.settings,
        _digest_frame(frame),
        opened.notes,
        lambda *_: iter([(0, frame)]),
        lambda first, end: opened.folders[first:end],
    )


def _columns(settings: SourceSettings) -> list[str]:
    return list(dict.fromkeys(name for name in (settings.image, settings.text, settings.id) if name))


def _open_file(path: Path, settings: SourceSettings) -> Stream:
    ending, folder = check_file(path), Path(settings.image_folder) if settings.image_folder else path.parent
    if not folder.is_dir():
        raise DataError(f"image_folder={folder} is no folder.")
    kinds: dict[str, str] = {}
    broken: dict[int, str] = {}
    if ending == ".parquet":
        head, rows = scan_parquet(path)
    elif ending in SEPARATORS:
        head, rows, broken = _scan_delimited(path, SEPARATORS[ending])
    else:
        kinds, rows, broken = scan_json_lines(path)
        head = pl.DataFrame(schema={name: COLUMN_TYPES[kind] for name, kind in kinds.items()})
    if not rows:
        raise DataError(f"{path} has no row.")
    if 2 * len(broken) > rows:
        row, reason = next(iter(broken.items()))
        raise DataError(f"{len(broken):,} of {rows:,} rows cannot be read; the first: row {row}: {reason}.")
    if broken and settings.strict:
        row, reason = next(iter(broken.items()))
        raise DataError(f"Row {row} ({row}): {reason}. With strict=False the row is left out.")
    opened = guess_columns(Opened(head, [], settings))
    check_columns(opened)
    columns = _columns(opened.settings)
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, lambda: hashlib.blake2b(digest_size=16)).hexdigest()

    def pieces(size: int, wanted: Collection[int]) -> Pieces:
        if ending == ".parquet":
            return parquet_pieces(path, columns, size, wanted)
        if ending in SEPARATORS:
            frames = delimited_pieces(path, SEPARATORS[ending], min(size, PIECE_ROWS))
            return _count(frame.select(*columns, BROKEN) for frame in frames)
        return _count(json_lines_pieces(path, {name: kinds[name] for name in columns}, min(size, PIECE_ROWS)))

    return Stream(rows, opened.settings, digest, opened.notes, pieces, lambda first, end: [folder] * (end - first))


def _scan_delimited(path: Path, separator: str) -> tuple[pl.DataFrame, int, dict[int, str]]:
    """Read the file once, row by row: its columns, without a row, the number of rows and the broken ones."""
    refuse_wide(path)
    broken: dict[int, str] = {}
    pieces = note_broken(delimited_pieces(path, separator, PIECE_ROWS), broken)
    head, rows = next(pieces), 0
    for piece in pieces:
        rows += piece.height
    return head, rows, broken


def _count(frames: Iterator[pl.DataFrame]) -> Pieces:
    """Return frames with the number of their first row."""
    first = 0
    for frame in frames:
        yield first, frame
        first += frame.height


def _cut(pieces: Pieces, rows: int, size: int, wanted: Collection[int]) -> Iterator[tuple[int, pl.DataFrame]]:
    """Join and cut pieces of any length to parts of one."""
    last = max(wanted, default=-1)
    pending: list[pl.DataFrame] = []
    for first, piece in pieces:
        at, rest = first, piece
        while rest.height:
            number = at // size
            if number > last:
                return
            end = min((number + 1) * size, rows)
            head, rest = rest[: end - at], rest[max(0, end - at) :]
            if not head.height:
                raise DataError(f"The file has grown since it was opened: it had {rows:,} rows. Start again.")
            at += head.height
            if number in wanted:
                pending.append(head)
            if at == end and pending:
                yield number, pl.concat(pending)
                pending = []


def _digest_frame(frame: pl.DataFrame) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for first in range(0, frame.height, HASHED_ROWS):
        digest.update(frame[first : first + HASHED_ROWS].rechunk().write_ipc(None).getvalue())
    return digest.hexdigest()
