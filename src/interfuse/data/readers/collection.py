"""A collection: rows that come from a folder, a dataset or shards instead of one table, with the columns it names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
"""Of the kinds of picture that are decoded."""


@dataclass(frozen=True)
class Collection:
    """What a reader found."""

    frame: pl.DataFrame
    folder: Path
    """What relative picture files are relative to."""
    columns: Mapping[str, str]
    """image, text, label, id, group or split to the column that holds it; the user's own choice goes first."""
    label_names: tuple[str, ...] | None = None
    """Names of the classes in the source's own order, also of those that no row has."""
    notes: list[str] = field(default_factory=list)
    """Sentences that must be said aloud."""
    broken: Mapping[int, str] = field(default_factory=dict)
    """Row of the frame to the reason why it could not be read; its cells are null."""
