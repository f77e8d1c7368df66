"""CSV and TSV: every cell a text, every row whole; a row that cannot be read is named by its line, and left out.

Our own reading, since faster readers fill a short row with nulls and take a stray quote for the start of a long cell.
"""

import csv
import sys
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TextIO

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.readers.wanted_columns import Used
from interfuse.data.tables import spool_frames

CHUNK_ROWS = 1 << 14
BROKEN = "interfuse_broken"
"""Column of a piece: why a row cannot be read, else null."""
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_LOOKED_AT = 1 << 12
Record = tuple[list[str], str | None]
"""The cells of a row, or why it cannot be read."""


def read_delimited(path: Path, separator: str, used: Used | None = None) -> tuple[pl.DataFrame, dict[int, str]]:
    """Read a table of texts whose first line names the columns; a blank line is no row where there are 2 columns.

    The file is read in pieces, and cells of columns that are not used are dropped at once; many rows are put aside.

    Args:
        path: the file.
        separator: between cells.
        used: which columns are needed; none: all.

    Returns:
        The rows, and why a row cannot be read: its number from 0 to the reason; its cells are null.

    Raises:
        DataError: the text is UTF-16, or a column has no name or its name twice.
    """
    refuse_wide(path)
    broken: dict[int, str] = {}
    return spool_frames(note_broken(delimited_pieces(path, separator, CHUNK_ROWS, used), broken)), broken


def note_broken(pieces: Iterator[pl.DataFrame], broken: dict[int, str]) -> Iterator[pl.DataFrame]:
    """Return the pieces without the column `BROKEN`, and write down the rows and reasons that it holds."""
    first = 0
    for piece in pieces:
        bad = piece[BROKEN].is_not_null().arg_true()
        broken |= {first + row: piece[BROKEN][row] for row in bad.to_list()}
        first += piece.height
        yield piece.drop(BROKEN)


def delimited_pieces(path: Path, separator: str, rows: int, used: Used | None = None) -> Iterator[pl.DataFrame]:
    """Return a table some rows at a time, after a frame that has the columns and no row; UTF-16 is not looked for.

    The column `BROKEN` holds why a row cannot be read, else null.

    Raises:
        DataError: as `read_delimited`.
    """
    with _any_length(), _records(path, separator, _reads_raw(path, separator)) as records:
        header, reason = next(records, ([], None))
        if reason is not None:
            raise DataError(f"{reason}.")
        _check_header(path, header)
        names = header if used is None else used.choose(header)
        places = [header.index(name) for name in names]
        blank: list[str | None] = [None] * len(places)
        schema = dict.fromkeys((*names, BROKEN), pl.String)
        yield pl.DataFrame([], schema=schema)
        cells_of_rows = (
            (*([cells[place] for place in places] if why is None else blank), why) for cells, why in records
        )
        while chunk := list(islice(cells_of_rows, rows)):
            yield pl.DataFrame(chunk, schema=schema, orient="row")


@contextmanager
def _records(path: Path, separator: str, raw: bool) -> Iterator["_Records"]:
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n" if raw else "") as handle:
        yield _Records(path, handle, separator, raw)


def _reads_raw(path: Path, separator: str) -> bool:
    """Whether a TSV's quotes join no lines; a broken row hides it, so the way that breaks fewer rows is taken."""
    if separator != "\t":
        return False
    if _is_raw(path):
        return True
    with _any_length():
        quoted = _count_broken(path, separator, raw=False)
        return bool(quoted) and _count_broken(path, separator, raw=True) < quoted


def _count_broken(path: Path, separator: str, raw: bool) -> int:
    with _records(path, separator, raw) as records:
        return sum(reason is not None for _, reason in records)


def refuse_wide(path: Path) -> None:
    """Refuse UTF-16, of which every line would look broken.

    Raises:
        DataError: the file begins as UTF-16 does, with its mark or without.
    """
    with path.open("rb") as handle:
        beginning = handle.read(_LOOKED_AT)
    if beginning[:2] in _WIDE or 4 * beginning.count(0) > len(beginning):  # of letters of most languages half is 0
        raise DataError(f"{path} is UTF-16: save it as UTF-8.")


def not_utf8(line: str) -> str | None:
    """Return which byte of a line, read with `surrogateescape`, is not UTF-8; None where all are."""
    if line.isascii():
        return None
    try:
        line.encode()
    except UnicodeEncodeError as error:
        return f"byte 0x{ord(line[error.start]) - 0xDC00:02x} is not UTF-8. Save the file as UTF-8"
    return None


class _Lines:
    """The lines of a file; those that a broken row has swallowed can be given back."""

    def __init__(self, handle: TextIO) -> None:
        self.handle, self.back = handle, deque[str]()
        self.number = 0
        self.record: list[str] = []
        """Lines of the record that is being read."""

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.back.popleft() if self.back else next(self.handle)
        self.number += 1
        self.record.append(line)
        return line

    def restart_after_first(self) -> None:
        """Return the lines of the record, all but its first."""
        self.back.extendleft(reversed(self.record[1:]))
        self.number -= len(self.record) - 1


class _Records:
    """The rows of a file, the header first; a broken one costs its first line alone."""

    def __init__(self, path: Path, handle: TextIO, separator: str, raw: bool) -> None:
        self.path, self.lines, self.width = path, _Lines(handle), 0
        self.cells: Iterator[list[str]] = (
            (_raw_line(line) for line in self.lines)
            if raw
            else csv.reader(self.lines, delimiter=separator, strict=True)
        )

    def __iter__(self) -> "_Records":
        return self

    def __next__(self) -> Record:
        while True:
            self.lines.record.clear()
            first = self.lines.number + 1
            try:
                cells, why = next(self.cells), None
            except csv.Error as error:
                cells, why = [], f"{error}. A cell with quotes must be quoted whole, its inner quotes doubled"
            if why is None and (not cells or (cells == [""] and self.width > 1)):
                if self.width == 1:
                    return [""], None
                continue
            if why is None and self.width and len(cells) != self.width:
                why = (
                    f"the row has {len(cells)} cells, the header has {self.width}. "
                    "A cell that holds the separator must be quoted"
                )
            self.width = self.width or len(cells)
            if why is not None:
                self.lines.restart_after_first()
                return [], f"{self.path}, line {first}: {not_utf8(self.lines.record[0]) or why}"
            for place, line in enumerate(self.lines.record):
                if (byte := not_utf8(line)) is not None:
                    return [], f"{self.path}, line {first + place}: {byte}"
            return cells, None


def _check_header(path: Path, header: list[str]) -> None:
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise DataError(f"{path} has the column {twice[0]!r} twice: give each its own name.")


def _is_raw(path: Path) -> bool:
    """Whether every line of a TSV is a whole row by itself; if so, no quote joins lines.

    Many a TSV quotes nothing, and a caption that starts with a quote would swallow the rows up to the next one. The
    price: a quoted cell of several lines is cut if each of them happens to hold as many tabs as the header.
    """
    with path.open("rb") as handle:
        counts = Counter(line.count(b"\t") for line in handle if line.strip(b"\r\n\xef\xbb\xbf"))
    return counts.total() > 1 and len(counts) == 1


def _raw_line(line: str) -> list[str]:
    """Cut a line of a TSV; quotes go only where they enclose a whole cell in the manner of CSV."""
    return [_unquote(cell) for cell in line.rstrip("\r\n").split("\t")]


def _unquote(cell: str) -> str:
    if len(cell) < 2 or cell[0] != '"' or cell[-1] != '"' or '"' in cell[1:-1].replace('""', ""):
        return cell
    return cell[1:-1].replace('""', '"')


@contextmanager
def _any_length() -> Iterator[None]:
    """Let a cell be longer than the csv module's own 131,072 characters."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)
