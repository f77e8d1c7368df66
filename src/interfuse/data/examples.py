"""Examples: an Arrow table of rows with picture, text and label, and the record of every row in trouble."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interfuse.core.errors import DataError
from interfuse.core.files import write_atomically
from interfuse.core.outside import neutral_cell
from interfuse.data.tables import BATCH_ROWS, Spool

COLUMNS = pa.schema(
    [
        ("row", pa.int64()),  # row number in the source, from 0
        ("id", pa.string()),
        ("image", pa.string()),  # path of the picture, or null
        ("image_key", pa.string()),  # hash of the file's bytes, or null where the picture is missing
        ("text", pa.string()),
        ("text_key", pa.string()),  # hash of the text, or null
        ("label", pa.list_(pa.int64())),  # class numbers
        ("group", pa.int64()),
        ("split", pa.string()),  # train, validation or test
        ("target", pa.float64()),  # the number to be predicted, for regression; else null
    ]
)
MISSING_IMAGE = "the image is treated as missing"
MISSING_TEXT = "the text is treated as missing"
LEFT_OUT = "the row is left out"
ITEMS = {"image": "pictures", "text": "texts"}
SHOWN = 80
"""Characters of a text in trouble that are shown."""


@dataclass(frozen=True)
class Trouble:
    """Something wrong with one row, and what follows."""

    row: int
    id: str
    what: str
    """image, text or row."""
    reason: str
    consequence: str


@dataclass(frozen=True)
class Examples:
    """Rows of picture, text and label."""

    table: pa.Table
    """Columns as `COLUMNS`."""
    task: str
    label_names: tuple[str, ...]
    troubles: tuple[Trouble, ...] = ()
    notes: tuple[str, ...] = ()
    """Sentences that must be said aloud: what was inferred, what was made."""
    columns: Mapping[str, str | None] = field(default_factory=dict)
    """image, text and label to the column that each was read from, guessed ones too; None: there is none."""
    label_values: tuple[Any, ...] | None = None
    """Each class as the label column has it (a number, a truth value); none where the names are the values."""
    near_copies: Mapping[str, str] = field(default_factory=dict)
    """Key of each picture that has near-copies, to the key of the first of them."""

    def __len__(self) -> int:
        """Count the rows."""
        return int(self.table.num_rows)

    @property
    def fingerprint(self) -> str:
        """Hash of the content of the rows: keys, labels, groups and splits, not paths."""
        unused = {"image"} if self.task == "regression" else {"image", "target"}
        digest = hashlib.blake2b(digest_size=16)  # as `core.settings.fingerprint` of the columns, task and names
        for place, name in enumerate(sorted(set(COLUMNS.names) - unused)):
            digest.update(f'{", " if place else "[{"}"{name}": ['.encode())
            batches = (batch for batch in self.table.select([name]).to_batches(BATCH_ROWS) if batch.num_rows)
            for number, batch in enumerate(batches):
                cells = json.dumps(batch[name].to_pylist(), ensure_ascii=False, allow_nan=False)[1:-1]
                digest.update(f"{', ' if number else ''}{cells}".encode())
            digest.update(b"]")
        digest.update(("}, " + json.dumps([self.task, list(self.label_names)], ensure_ascii=False)[1:]).encode())
        return digest.hexdigest()

    def pictures(self) -> dict[str, str]:
        """Return each distinct picture's key and a path that holds it, in the order of first use."""
        return self._distinct("image_key", "image")

    def texts(self) -> dict[str, str]:
        """Return each distinct text's key and the text, in the order of first use."""
        return self._distinct("text_key", "text")

    def _distinct(self, key: str, value: str) -> dict[str, str]:
        values_by_key: dict[str, str] = {}
        for batch in self.table.select([key, value]).to_batches(BATCH_ROWS):
            coded = batch[key].dictionary_encode()
            numbers, firsts = np.unique(coded.indices.fill_null(-1).to_numpy(), return_index=True)
            values = batch[value].take(pa.array(firsts[numbers >= 0])).to_pylist()
            for name, cell in zip(coded.dictionary.to_pylist(), values, strict=True):
                values_by_key.setdefault(name, cell)
        return values_by_key

    def without(
        self, modality: str, reasons: Mapping[str, str], strict: bool = False, may_be_empty: bool = False
    ) -> "Examples":
        """Treat these pictures or texts as missing; leave out rows that have nothing of the other modality either.

        Args:
            modality: image or text.
            reasons: key of each such item to the reason why it cannot be used.
            strict: refuse the first row that shows one instead.
            may_be_empty: whether a split without any row is no error.

        Raises:
            DataError: no row of some split is left; with `strict`, a row shows such an item.
        """
        if not reasons:
            return self
        other, missing = ("text", MISSING_IMAGE) if modality == "image" else ("image", MISSING_TEXT)
        mine, others = f"{modality}_key", f"{other}_key"
        names, spool, troubles = pa.array(list(reasons), pa.string()), Spool(COLUMNS), list[Trouble]()
        for batch in self.table.to_batches(BATCH_ROWS):
            bad = pc.is_in(batch[mine], names)
            empty = pc.and_(bad, pc.is_null(batch[others]))
            rows = batch.select(["row", "id", modality, mine]).append_column("gone", empty).filter(bad)
            for row in rows.to_pylist():
                item = row[modality] if modality == "image" else shorten(row[modality], SHOWN)
                consequence = LEFT_OUT if row["gone"] else missing
                troubles.append(Trouble(row["row"], row["id"], modality, f"{reasons[row[mine]]}: {item}", consequence))
            if strict and troubles:
                first = troubles[0]
                raise DataError(f"Row {first.row} ({first.id}): {first.reason}. With strict=False {first.consequence}.")
            keys = pc.if_else(bad, None, batch[mine])
            batch = batch.set_column(COLUMNS.get_field_index(mine), COLUMNS.field(mine), keys)
            spool.add(batch.filter(pc.invert(empty)))
        table = spool.finish()
        empty_splits = set(self.table["split"].unique().to_pylist()) - set(table["split"].unique().to_pylist())
        if empty_splits and not may_be_empty:
            raise DataError(
                f"No {sorted(empty_splits)[0]} row is left: {len(reasons):,} of the {ITEMS[modality]} cannot be used, "
                f"and rows that show them have no {other}. The first: {troubles[0].reason}."
            )
        return replace(self, table=table, troubles=(*self.troubles, *troubles))


def text_key(text: str) -> str:
    """Hash a text's content."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def write_quarantine(examples: Examples, path: Path) -> None:
    """Write every trouble as CSV: row, id, what, reason, consequence."""
    write_troubles(examples.troubles, path)


def write_troubles(troubles: Sequence[Trouble], path: Path) -> None:
    """Write these troubles as CSV: row, id, what, reason, consequence."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(["row", "id", "what", "reason", "consequence"])
    writer.writerows(map(neutral_cell, (t.row, t.id, t.what, t.reason, t.consequence)) for t in troubles)
    content = buffer.getvalue().encode("utf-8", "backslashreplace")  # a path may hold bytes that are no UTF-8
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
