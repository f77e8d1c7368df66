"""Tables: files and data frames in, one polars frame out; every cell of a text file stays a text."""

from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError, unknown
from interfuse.data.delimited import read_delimited
from interfuse.data.json_lines import read_json_lines
from interfuse.data.parquet import first_line, parquet_pieces, scan_parquet, unreadable
from interfuse.data.spool import spool_frames
from interfuse.data.used import Used

SEPARATORS = {".csv": ",", ".tsv": "\t"}
_BLANKS = "".join(map(chr, (*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)))) + (
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What `str.strip` strips; Polars' own choice lacks four."""
ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def read_frame(source: Any) -> pl.DataFrame:
    """Read a file, or take a polars, pandas or Arrow table.

    Raises:
        DataError: the file is absent, empty, malformed or of another kind.
    """
    frame, broken = read_table(source)
    if broken:
        raise DataError(f"{next(iter(broken.values()))}.")
    return frame


def read_table(source: Any, used: Used | None = None) -> tuple[pl.DataFrame, dict[int, str]]:
    """Read as `read_frame` does, but go on after a row that cannot be read.

    Args:
        source: a file or a data frame.
        used: which columns of a file are needed; none: all.

    Returns:
        The rows, and why a row cannot be read: its number from 0 to the reason; its cells are null.

    Raises:
        DataError: the file is absent, empty or of another kind.
    """
    broken: dict[int, str] = {}
    if isinstance(source, str | Path):
        frame, broken = _read_file(Path(source), used)
        name = str(source)
    elif isinstance(source, pl.DataFrame):
        frame, name = source, "the data frame"
    else:
        frame, name = _convert(source), "the data frame"
    if frame.height == 0:
        raise DataError(f"{name} has no row.")
    return frame, broken


def _read_file(path: Path, used: Used | None) -> tuple[pl.DataFrame, dict[int, str]]:
    ending = check_file(path)
    try:
        if ending in SEPARATORS:
            return read_delimited(path, SEPARATORS[ending], used)
        if ending != ".parquet":
            return read_json_lines(path, used)
        head, rows = scan_parquet(path)
        columns = used.choose(head.columns) if used else head.columns
        pieces = parquet_pieces(path, columns, max(1, rows), [0])
        return spool_frames(chain([head.select(columns)], (piece.select(columns) for _, piece in pieces))), {}
    except (pl.exceptions.PolarsError, OSError) as error:
        raise unreadable(path, error) from error


def check_file(path: Path) -> str:
    """Give the ending of a file of rows, in small letters.

    Raises:
        DataError: the file is absent, empty or of another kind.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DataError(
            f"Cannot read {path.name!r}: DATA is a file that ends in {', '.join(ENDINGS)}, a folder of pictures, "
            "coco:DIR, hf:DIR, wds:PATTERN, or the built-in easy-vqa."
        )
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty.")
    return ending


def _convert(source: Any) -> pl.DataFrame:
    try:
        if type(source).__module__.startswith("pandas"):
            return pl.from_pandas(source.astype(object).where(source.notna(), None))
        return pl.DataFrame(pl.from_arrow(source))
    except (TypeError, ValueError, pl.exceptions.PolarsError, ImportError) as error:
        raise DataError(
            f"Cannot read a {type(source).__name__} as rows: give a file, or a polars, pandas or Arrow table with "
            f"one kind of value a column ({first_line(error)})."
        ) from error


def need_column(frame: pl.DataFrame, name: str, what: str) -> pl.Series:
    """Find a column.

    Raises:
        DataError: there is none of that name.
    """
    if name not in frame.columns:
        raise DataError(unknown(f"column for {what}:", name, frame.columns))
    return frame[name]


def check_texts(column: pl.Series) -> None:
    """Refuse a column whose cells are no texts and cannot be written as such.

    Raises:
        DataError: the column holds lists, bytes or other values that are no text.
    """
    if isinstance(column.dtype, pl.Struct) and any(field.name == "bytes" for field in column.dtype.fields):
        raise DataError(
            f"Column {column.name!r} holds the pictures themselves, as Hugging Face's datasets do: give the file's "
            "folder as hf:FOLDER, which reads them."
        )
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        raise DataError(f"Column {column.name!r} holds {column.dtype} values; one text a row is expected.")


def as_texts(column: pl.Series) -> list[str | None]:
    """Give a column as texts, as `clean_texts` does; blank cells are None.

    Raises:
        DataError: as `check_texts`.
    """
    return clean_texts(column).to_list()


def clean_texts(column: pl.Series) -> pl.Series:
    """Make a column one of texts; blank cells, and numbers that are NaN, are null.

    Raises:
        DataError: as `check_texts`.
    """
    check_texts(column)
    texts = drop_nan(column).cast(pl.String)
    blank = (texts.str.strip_chars(_BLANKS) == "").fill_null(value=False)
    return texts.set(blank, None) if blank.any() else texts


def drop_nan(column: pl.Series) -> pl.Series:
    """Make NaN null, which is what tables of numbers mean by it."""
    return column.fill_nan(None) if column.dtype.is_float() else column
