"""Guesses of the columns: by their usual names, said aloud, and overridden by any word of the user."""

from collections.abc import Sequence

import polars as pl

from interfuse.data.labels import TRUTHS

IMAGE_NAMES = ("image", "picture", "photo", "img", "image_path", "image_file", "file_name", "filename", "file", "path")
TEXT_NAMES = ("text", "caption", "title", "sentence", "question", "description", "product_name")
LABEL_NAMES = ("label", "labels", "category", "class", "target", "answer")
NONE = "none"
"""What the user says for: there is no such column."""


def find_column(frame: pl.DataFrame, names: Sequence[str]) -> str | None:
    """Find the first of these names among the columns, in any case of letters."""
    found = {column.lower(): column for column in reversed(frame.columns)}
    return next((found[name] for name in names if name in found), None)


def says_truth(column: pl.Series) -> bool:
    """Whether every cell says that a pair fits, or that it does not."""
    if column.dtype.is_nested():
        return False
    words = {str(cell).strip().lower().removesuffix(".0") for cell in column.drop_nulls().to_list()}
    return bool(words) and words <= set(TRUTHS)
