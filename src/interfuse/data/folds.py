"""The folds, or the splits made anew, of a table that is read once."""

from dataclasses import replace

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from interfuse.core.errors import DataError
from interfuse.data import splits
from interfuse.data.examples import COLUMNS, Examples
from interfuse.data.row_labels import first_classes
from interfuse.settings import SourceSettings


def refold(examples: Examples, settings: SourceSettings) -> Examples:
    """Return the rows with the splits of another fold, or of another seed; nothing is read again, and every row stays.

    Args:
        examples: the rows as one of the folds, or as one of the splits made anew, nothing left out since.
        settings: how they were read, with the fold or the seed that is wanted.

    Raises:
        DataError: the settings ask for one split only.
    """
    if settings.folds is None and settings.resplit is None:
        raise DataError("Only rows that were read with folds, or with resplit, can be split again.")
    rows = examples.table
    own = rows["id"] if settings.id is not None else pc.coalesce(rows["text_key"], rows["id"])
    names = pl.Series(pl.from_arrow(pc.coalesce(rows["image_key"], own)))
    table = splits.Table(rows["group"].to_numpy(), first_classes(rows["label"]), names)
    parts, _ = splits.make_parts(table, None, settings)
    split = pa.array(parts, COLUMNS.field("split").type)
    return replace(examples, table=examples.table.set_column(COLUMNS.get_field_index("split"), "split", split))


def split_rows(examples: Examples, settings: SourceSettings) -> tuple[Examples, ...]:
    """Return the rows once for each fold, or for each split made anew; once where there is one split.

    Args:
        examples: the rows as they were read.
        settings: how they were read. Splits made anew are of the seeds from `settings.seed` on.
    """
    if settings.folds:
        return tuple(refold(examples, replace(settings, fold=fold)) for fold in range(settings.folds))
    if settings.resplit:
        seeds = range(settings.seed, settings.seed + settings.resplit)
        return tuple(refold(examples, replace(settings, seed=seed)) for seed in seeds)
    return (examples,)
