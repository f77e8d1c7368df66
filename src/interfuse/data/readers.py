"""Tables: files and data frames in, one polars frame out; every cell of a text file stays a text."""

from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError, unknown

SEPARATORS = {".csv": ",", ".tsv": "\t"}
ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")


def read_frame(source: Any) -> pl.DataFrame:
    """Read a file, or take a polars, pandas or Arrow table.

    Raises:
        DataError: the file is absent, empty, malformed or of another kind.
    """
    if isinstance(source, str | Path):
        frame = _read_file(Path(source))
        name = str(source)
    elif isinstance(source, pl.DataFrame):
        frame, name = source, "the data frame"
    else:
        frame, name = _convert(source), "the data frame"
    if frame.height == 0:
        raise DataError(f"{name} has no row.")
    return frame


def _read_file(path: Path) -> pl.DataFrame:
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DataError(f"Cannot read {path.name!r}: DATA is a file that ends in {', '.join(ENDINGS)}, or a built-in.")
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty.")
    try:
        if ending in SEPARATORS:
            return pl.read_csv(path, separator=SEPARATORS[ending], infer_schema=False)
        if ending == ".parquet":
            return pl.read_parquet(path)
        return pl.read_ndjson(path, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(f"{path} cannot be read as {ending[1:]}: {reason}") from error


def _convert(source: Any) -> pl.DataFrame:
    try:
        if type(source).__module__.startswith("pandas"):
            frame = pl.from_pandas(source.astype(object).where(source.notna(), None))
        else:
            frame = pl.DataFrame(pl.from_arrow(source))
    except (TypeError, ValueError, pl.exceptions.PolarsError, ImportError) as error:
        raise DataError(
            f"Cannot read a {type(source).__name__} as rows: give a file, or a polars, pandas or Arrow table."
        ) from error
    return frame


def need_column(frame: pl.DataFrame, name: str, what: str) -> pl.Series:
    """Find a column.

    Raises:
        DataError: there is none of that name.
    """
    if name not in frame.columns:
        raise DataError(unknown(f"column for {what}:", name, frame.columns))
    return frame[name]


def as_texts(column: pl.Series) -> list[str | None]:
    """Give a column as texts; blank cells are None.

    Raises:
        DataError: the column holds lists or other nested values.
    """
    if column.dtype.is_nested():
        raise DataError(f"Column {column.name!r} holds {column.dtype} values; one text a row is expected.")
    texts = column.cast(pl.String, strict=False).to_list()
    return [text if text is not None and text.strip() else None for text in texts]
