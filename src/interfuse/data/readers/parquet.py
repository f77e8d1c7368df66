"""Parquet: some rows at a time, and only the row groups and columns that are wanted."""

from collections.abc import Collection, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from interfuse.core.errors import DataError

PIECE_ROWS = 4096
"""Most rows that are parsed at once."""


def scan_parquet(path: Path) -> tuple[pl.DataFrame, int]:
    """Return the columns, without a row, and the number of rows.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with pq.ParquetFile(path) as file:
            return pl.DataFrame(pl.from_arrow(file.schema_arrow.empty_table())), file.metadata.num_rows
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, ValueError) as error:
        raise unreadable(path, error) from error


def parquet_pieces(
    path: Path, columns: list[str], size: int, wanted: Collection[int]
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Read the row groups that hold a wanted row; of a large one a few pages at a time.

    Args:
        path: the file.
        columns: those that are read.
        size: rows a part.
        wanted: numbers of the wanted parts.

    Returns:
        Number of the first row and some rows, again and again.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            first = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if any(part in wanted for part in range(first // size, -(-(first + rows) // size))):
                    at = first
                    for batch in file.iter_batches(min(size, PIECE_ROWS), [group], columns, use_threads=False):
                        yield at, pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
                        at += batch.num_rows
                first += rows
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: BaseException) -> DataError:
    """Return the error that says why a file of rows cannot be read."""
    return DataError(f"{path} cannot be read as {path.suffix.lower()[1:]}: {first_line(error)}")


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; its kind where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
