"""The folds of a table that is read once."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from interfuse.core.errors import DataError
from interfuse.data import splits
from interfuse.data.examples import COLUMNS, Examples
from interfuse.data.settings import SourceSettings


def refold(examples: Examples, settings: SourceSettings) -> Examples:
    """Give the rows the splits of another fold; nothing is read again, and every row stays.

    Args:
        examples: the rows as one of the folds, nothing left out since.
        settings: how they were read, with the fold that is wanted.

    Raises:
        DataError: the settings ask for no folds.
    """
    if settings.folds is None:
        raise DataError("Only rows that were read with folds can be folded anew.")
    columns = {
        name: examples.table[name].to_pylist() for name in ("id", "image_key", "text", "text_key", "group", "label")
    }
    names = [
        image or (name if settings.id is not None or text is None else str(key))
        for image, name, text, key in zip(*(columns[c] for c in ("image_key", "id", "text", "text_key")), strict=True)
    ]
    classes = np.array([row[0] if row else -1 for row in columns["label"]])
    table = splits.Table(np.array(columns["group"], dtype=np.int64), classes, names)
    parts, _ = splits.make_parts(table, None, settings)
    split = pa.array([str(part) for part in parts], COLUMNS.field("split").type)
    return replace(examples, table=examples.table.set_column(COLUMNS.get_field_index("split"), "split", split))
