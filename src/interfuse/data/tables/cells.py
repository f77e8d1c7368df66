"""Cells of a table: find a column, refuse what is no text, and say which cells are blank."""

import polars as pl

from interfuse.core.errors import DataError, unknown
from interfuse.core.outside import FORMULA, NUMBER, neutral_cell

_BLANKS = "".join(map(chr, (*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)))) + (
    "\u2028\u2029\u202f\u205f\u3000"
)
"""What `str.strip` strips; Polars' own choice lacks four."""


def need_column(frame: pl.DataFrame, name: str, what: str) -> pl.Series:
    """Return a column by its name.

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
    """Return a column as texts, as `clean_texts` does; blank cells are None.

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


def neutral_cells(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a table for a CSV file: no text, and no name of a column, is a formula to a spreadsheet."""
    texts = pl.col(pl.String)
    formula = texts.str.contains(FORMULA) & ~texts.str.contains(NUMBER)
    return frame.with_columns(pl.when(formula).then(pl.lit("'") + texts).otherwise(texts).name.keep()).rename(
        neutral_cell
    )
