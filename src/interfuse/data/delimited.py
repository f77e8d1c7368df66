"""CSV and TSV: every cell a text, every row whole. A row with too few or too many cells is an error with its line.

Our own reading, since faster readers fill a short row with nulls and take a stray quote for the start of a long cell.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import polars as pl

from interfuse.core.errors import DataError

CHUNK_ROWS = 50_000
_WIDE = (b"\xff\xfe", b"\xfe\xff")


def read_delimited(path: Path, separator: str) -> pl.DataFrame:
    """Read a table of texts whose first line names the columns; a blank line is no row where there are 2 columns.

    Raises:
        DataError: the text is not UTF-8, a column has no name or its name twice, or a row is malformed.
    """
    check_utf8(path)
    return pl.concat(delimited_pieces(path, separator))


def delimited_pieces(path: Path, separator: str, rows: int = CHUNK_ROWS) -> Iterator[pl.DataFrame]:
    """Give a table some rows at a time, after a frame that has the columns and no row; UTF-8 is not checked.

    Raises:
        DataError: as `read_delimited`, when the row is reached.
    """
    raw = separator == "\t" and _is_raw(path)
    with _any_length(), path.open(encoding="utf-8-sig", newline="\n" if raw else "") as handle:
        lines = (_raw_line(line) for line in handle) if raw else csv.reader(handle, delimiter=separator, strict=True)
        cells = _checked(path, lines)
        try:
            header = next(cells, None) or []
            _check_header(path, header)
            schema = dict.fromkeys(header, pl.String)
            yield pl.DataFrame([], schema=schema)
            while chunk := list(islice(cells, rows)):
                yield pl.DataFrame(chunk, schema=schema, orient="row")
        except csv.Error as error:
            line = "" if raw else f", line {lines.line_num}"  # type: ignore[union-attr]
            raise DataError(
                f"{path}{line}: {error}. A cell with quotes must be quoted whole, its inner quotes doubled."
            ) from error


def check_utf8(path: Path) -> None:
    """Refuse a file whose text is not UTF-8, and name the line.

    Raises:
        DataError: the line cannot be read.
    """
    with path.open("rb") as handle:
        for number, line in enumerate(handle, 1):
            if number == 1 and line.startswith(_WIDE):
                raise DataError(f"{path} is UTF-16: save it as UTF-8.")
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}, line {number}: byte 0x{line[error.start]:02x} is not UTF-8. Save the file as UTF-8."
                ) from error


def _checked(path: Path, lines: Iterator[list[str]]) -> Iterator[list[str]]:
    """Give the rows; refuse one whose number of cells is not the header's."""
    width = 0
    for number, cells in enumerate(lines, 1):
        width = width or len(cells)
        if not cells or (cells == [""] and width > 1):
            if width == 1:
                yield [""]
            continue
        if len(cells) != width:
            line = getattr(lines, "line_num", number)
            raise DataError(
                f"{path}, line {line}: the row has {len(cells)} cells, the header has {width}. "
                "A cell that holds the separator must be quoted."
            )
        yield cells


def _check_header(path: Path, header: list[str]) -> None:
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise DataError(f"{path} has the column {twice[0]!r} twice: give each its own name.")


def _is_raw(path: Path) -> bool:
    """Tell whether every line of a TSV is a whole row by itself; if so, no quote joins lines.

    Many a TSV quotes nothing, and a caption that starts with a quote would swallow the rows up to the next one. The
    price: a quoted cell of several lines is cut if each of them happens to hold as many tabs as the header.
    """
    with path.open(encoding="utf-8-sig", newline="\n") as handle:
        counts = Counter(line.count("\t") for line in handle if line.strip("\r\n"))
    return len(counts) == 1 and counts.total() > 1


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
