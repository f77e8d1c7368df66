"""Tables larger than memory likes: cells made clean, rows put aside on disk, values numbered."""

from interfuse.data.tables.cells import as_texts, check_texts, clean_texts, drop_nan, need_column, neutral_cells
from interfuse.data.tables.factorize import number_series, number_values, ranges, starts_of, take
from interfuse.data.tables.spool import BATCH_ROWS, Spool, spool_frames

__all__ = [
    "BATCH_ROWS",
    "Spool",
    "as_texts",
    "check_texts",
    "clean_texts",
    "drop_nan",
    "need_column",
    "neutral_cells",
    "number_series",
    "number_values",
    "ranges",
    "spool_frames",
    "starts_of",
    "take",
]
