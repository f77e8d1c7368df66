"""Guesses of the columns: by their usual names, said aloud, and overridden by any word of the user."""

from collections.abc import Sequence

import polars as pl

from interfuse.data.labels import TRUTHS, distinct
from interfuse.data.readers.wanted_columns import Used
from interfuse.data.tables import ranges
from interfuse.settings import SourceSettings

IMAGE_NAMES = ("image", "picture", "photo", "img", "image_path", "image_file", "file_name", "filename", "file", "path")
TEXT_NAMES = ("text", "caption", "title", "sentence", "question", "description", "product_name")
LABEL_NAMES = ("label", "labels", "category", "class", "target", "answer")
NONE = "none"
"""What the user says for: there is no such column."""


def find_column(frame: pl.DataFrame, names: Sequence[str]) -> str | None:
    """Return the first of these names among the columns, in any case of letters."""
    by_lower_case = {column.lower(): column for column in reversed(frame.columns)}
    return next((by_lower_case[name] for name in names if name in by_lower_case), None)


def used_columns(settings: SourceSettings) -> Used | None:
    """Return which columns these settings name or leave to be guessed; None for all, as a joined file may need any."""
    if settings.join is not None:
        return None
    chosen = {what: getattr(settings, what) for what in ("image", "text", "label", "id", "group", "split")}
    names = {name for name in chosen.values() if name not in (None, NONE)}
    usual: list[Sequence[str]] = []
    if not ({chosen["image"], chosen["text"]} - {None, NONE}):
        usual = [guesses for what, guesses in (("image", IMAGE_NAMES), ("text", TEXT_NAMES)) if chosen[what] is None]
    if chosen["label"] is not None:
        return Used(names, usual)
    both = not ({None, NONE} & {chosen["image"], chosen["text"]})  # without a label these are for matching
    return Used(names, usual, [LABEL_NAMES]) if both else Used(names, [*usual, LABEL_NAMES])


def says_truth(column: pl.Series) -> bool:
    """Whether every cell says that a pair fits, or that it does not."""
    if column.dtype.is_nested():
        return False
    words: set[str] = set()
    for piece in ranges(len(column)):
        cells = distinct(column[piece]).drop_nulls().to_list()
        words |= {str(cell).strip().lower().removesuffix(".0") for cell in cells}
        if not words <= set(TRUTHS):
            return False
    return bool(words)
