"""Files, folders, shards and data sets of rows, each kind read by a file here and opened by `open`."""

from interfuse.data.readers.column_guesses import NONE
from interfuse.data.readers.delimited import BROKEN, delimited_pieces, note_broken, refuse_wide
from interfuse.data.readers.json_lines import COLUMN_TYPES, json_lines_pieces, scan_json_lines
from interfuse.data.readers.open import COLLECTIONS, Opened, guess_columns, is_table_file, open_source
from interfuse.data.readers.parquet import PIECE_ROWS, parquet_pieces, scan_parquet

__all__ = [
    "BROKEN",
    "COLLECTIONS",
    "COLUMN_TYPES",
    "NONE",
    "PIECE_ROWS",
    "Opened",
    "delimited_pieces",
    "guess_columns",
    "is_table_file",
    "json_lines_pieces",
    "note_broken",
    "open_source",
    "parquet_pieces",
    "refuse_wide",
    "scan_json_lines",
    "scan_parquet",
]
