"""The folds of a table that is read once."""

from dataclasses import replace

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from interfuse.core.errors import DataError
from interfuse.data import splits
from interfuse.data.examples import COLUMNS, Examples
from interfuse.data.row_labels import first_classes
from interfuse.data.settings import SourceSettings


def refold(examples: Examples, settings: SourceSettings) -> Examples:
    """Return the rows with the splits of another fold; nothing is read again, and every row stays.

    Args:
        examples: the rows as one of the folds, nothing left out since.
        settings: how they were read, with the fold that is wanted.

    Raises:
        DataError: the settings ask for no folds.
    """
    if settings.folds is None:
        raise DataError("Only rows that were read with folds can be folded anew.")
    rows = examples.table
    own = rows["id"] if settings.id is not None else pc.coalesce(rows["text_key"], rows["id"])
    names = pl.Series(pl.from_arrow(pc.coalesce(rows["image_key"], own)))
    table = splits.Table(rows["group"].to_numpy(), first_classes(rows["label"]), names)
    parts, _ = splits.make_parts(table, None, settings)
    split = pa.array(parts, COLUMNS.field("split").type)
    return replace(examples, table=examples.table.set_column(COLUMNS.get_field_index("split"), "split", split))
