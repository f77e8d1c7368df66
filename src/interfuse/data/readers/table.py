"""Tables: files and data frames in, one polars frame out; every cell of a text file stays a text."""

from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.readers.delimited import read_delimited
from interfuse.data.readers.json_lines import read_json_lines
from interfuse.data.readers.parquet import first_line, parquet_pieces, scan_parquet, unreadable
from interfuse.data.readers.wanted_columns import Used
from interfuse.data.tables import spool_frames
from interfuse.settings import SEPARATORS, check_file


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
