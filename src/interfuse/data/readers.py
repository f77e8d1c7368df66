"""Tables: files and data frames in, one polars frame out; every cell of a text file stays a text."""

from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError, unknown
from interfuse.data.delimited import read_delimited
from interfuse.data.json_lines import read_json_lines
from interfuse.data.used import Used

SEPARATORS = {".csv": ",", ".tsv": "\t"}
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
        columns = list(pl.read_parquet_schema(path))
        return pl.read_parquet(path, columns=used.choose(columns) if used else columns, low_memory=True), {}
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


def unreadable(path: Path, error: BaseException) -> DataError:
    """Say why a file of rows cannot be read."""
    return DataError(f"{path} cannot be read as {path.suffix.lower()[1:]}: {_first_line(error)}")


def _convert(source: Any) -> pl.DataFrame:
    try:
        if type(source).__module__.startswith("pandas"):
            return pl.from_pandas(source.astype(object).where(source.notna(), None))
        return pl.DataFrame(pl.from_arrow(source))
    except (TypeError, ValueError, pl.exceptions.PolarsError, ImportError) as error:
        raise DataError(
            f"Cannot read a {type(source).__name__} as rows: give a file, or a polars, pandas or Arrow table with "
            f"one kind of value a column ({_first_line(error)})."
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def need_column(frame: pl.DataFrame, name: str, what: str) -> pl.Series:
    """Find a column.

    Raises:
        DataError: there is none of that name.
    """
    if name not in frame.columns:
        raise DataError(unknown(f"column for {what}:", name, frame.columns))
    return frame[name]


def as_texts(column: pl.Series) -> list[str | None]:
    """Give a column as texts; blank cells, and numbers that are NaN, are None.

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
    texts = drop_nan(column).cast(pl.String).to_list()
    return [text if text is not None and text.strip() else None for text in texts]


def drop_nan(column: pl.Series) -> pl.Series:
    """Make NaN null, which is what tables of numbers mean by it."""
    return column.fill_nan(None) if column.dtype.is_float() else column
