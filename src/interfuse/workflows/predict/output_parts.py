"""A long prediction on disk: finished parts in a folder beside the output, joined in the end, in little memory.

A part is there whole or not at all, so whoever is killed loses the part that it was at. The folder says whose parts it
holds; it goes when the output is there.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from interfuse.core.errors import DataError
from interfuse.core.files import read_json, write_atomically, write_json
from interfuse.core.modalities import MODALITIES
from interfuse.core.outside import make_folder, neutral_cell, writing
from interfuse.data import Trouble, neutral_cells
from interfuse.store import locked

FORMAT = 1
MANIFEST = "manifest.json"
GROUP_ROWS = 65_536
"""Rows of a row group of the output, about."""
_FACTS = b"interfuse"
_ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True)
class Joined:
    """What became of a prediction."""

    rows: int
    """Rows that were predicted."""
    missing: Mapping[str, int]
    """Modality to the number of rows that went without it."""
    troubles: int


class Parts:
    """The folder of the parts of one output."""

    def __init__(self, out: Path, identity: Mapping[str, Any], count: int) -> None:
        """Open the folder of this prediction, or make it.

        Args:
            out: the file that the parts become.
            identity: plain JSON values, all that the rows of the output depend on.
            count: how many parts there are.

        Raises:
            DataError: the ending is not known, or the folder holds the parts of another prediction.
        """
        if out.suffix not in _ENDINGS:
            raise DataError(f"Predictions end in .csv or .parquet, got {out.name!r}.")
        self.out, self.count = out, count
        self.folder = out.with_name(f"{out.name}.parts")
        self.quarantine = out.with_name(f"{out.name}.quarantine.csv")
        self.identity = {**identity, "format": FORMAT}
        manifest = self._read_manifest()
        if manifest is not None and "joined" in manifest and (self._differences(manifest) or not out.is_file()):
            self._remove()  # the leftover of a prediction that was killed when its output was there already
            manifest = None
        if manifest is None:
            make_folder(self.folder)
            if any(self.folder.glob("part-*")):
                raise DataError(f"{self.folder} holds parts and no {MANIFEST}. Remove it, or give another out=….")
            write_json(self.folder / MANIFEST, self.identity)
        elif differences := self._differences(manifest):
            raise DataError(
                f"{self.folder} holds finished parts of another prediction: {'; '.join(differences)}. Give the same "
                "run, data and options to go on, another out=… to keep both, or remove the folder."
            )

    def finished(self) -> Joined | None:
        """Return what an earlier start joined before it was killed, and tidy up behind it."""
        facts = (self._read_manifest() or {}).get("joined")
        if facts is None:
            return None
        self._remove()
        return Joined(**facts)

    def there(self) -> set[int]:
        """List the finished parts."""
        return {int(path.stem.removeprefix("part-")) for path in self.folder.glob("part-*.parquet")}

    def write(
        self, number: int, frame: pl.DataFrame, missing: Mapping[str, int], troubles: tuple[Trouble, ...]
    ) -> None:
        """Write a finished part: its rows, and all that must be known of it later."""
        facts = {"missing": dict(missing), "troubles": [asdict(trouble) for trouble in troubles]}
        table = _with_short_texts(frame.to_arrow())
        table = table.replace_schema_metadata({_FACTS: json.dumps(facts).encode()})
        write_atomically(self._path(number), lambda path: pq.write_table(table, path))

    def join(self) -> Joined | None:
        """Write the output and the list of rows in trouble, then remove the folder; none where another process did.

        Raises:
            DataError: no row is left.
        """
        try:
            with writing(self.out), locked(self.folder / "join.lock"):
                return self._join() if self._read_manifest() is not None else None
        except FileNotFoundError:
            if self._read_manifest() is None:
                return None
            raise

    def _join(self) -> Joined:
        earlier = self.finished()
        if earlier is not None:
            return earlier
        counts: Counter[str] = Counter()
        troubles = self.folder / "quarantine.tmp"
        with troubles.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(["row", "id", "what", "reason", "consequence"])
            for number in range(self.count):
                schema = pq.read_schema(self._path(number))
                facts = json.loads(schema.metadata[_FACTS])
                counts.update(facts["missing"])
                writer.writerows(map(neutral_cell, trouble.values()) for trouble in facts["troubles"])
                counts["troubles"] += len(facts["troubles"])
        file = self.folder / f"joined{self.out.suffix}"
        rows = (_join_csv if self.out.suffix == ".csv" else _join_parquet)(file, self._tables)
        if not rows:
            raise DataError(f"No row is left: none has a readable picture or a text. {troubles} lists the reasons.")
        joined = Joined(rows, {name: counts[name] for name in MODALITIES}, counts["troubles"])
        if joined.troubles:
            troubles.replace(self.quarantine)
        else:
            self.quarantine.unlink(missing_ok=True)
        with file.open("rb+") as handle:
            os.fsync(handle.fileno())
        file.replace(self.out)
        write_json(self.folder / MANIFEST, {**self.identity, "joined": asdict(joined)})
        self._remove()
        return joined

    def _tables(self) -> Iterator[pa.Table]:
        for number in range(self.count):
            yield pq.read_table(self._path(number)).replace_schema_metadata(None)

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:08d}.parquet"

    def _read_manifest(self) -> dict[str, Any] | None:
        try:
            manifest: dict[str, Any] = read_json(self.folder / MANIFEST)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise DataError(f"{self.folder / MANIFEST} cannot be read: {error}. Remove the folder.") from error
        return manifest

    def _differences(self, manifest: Mapping[str, Any]) -> list[str]:
        names = [name for name in self.identity if manifest.get(name) != self.identity[name]]
        return [f"{name} is {manifest.get(name)!r} there, {self.identity[name]!r} here" for name in names]

    def _remove(self) -> None:
        """Remove the folder, its manifest last: until then it says that the output is there."""
        with suppress(OSError):  # a file that another process opens just now; it removes the folder then
            for path in self.folder.iterdir():
                if path.name != MANIFEST:
                    path.unlink(missing_ok=True)
            (self.folder / MANIFEST).unlink(missing_ok=True)
            self.folder.rmdir()


def _with_short_texts(table: pa.Table) -> pa.Table:
    """Use Arrow's plain strings, which every reader knows."""
    kinds = [pa.string() if pa.types.is_large_string(field.type) else field.type for field in table.schema]
    return table.cast(pa.schema(list(zip(table.column_names, kinds, strict=True))))


def _join_csv(path: Path, tables: Callable[[], Iterator[pa.Table]]) -> int:
    rows = 0
    with path.open("wb") as handle:
        for number, table in enumerate(tables()):
            neutral_cells(pl.DataFrame(pl.from_arrow(table))).write_csv(handle, include_header=number == 0)
            rows += table.num_rows
    return rows


def _join_parquet(path: Path, tables: Callable[[], Iterator[pa.Table]]) -> int:
    """Join parts into row groups of about one length."""
    rows, num_waiting = 0, 0
    waiting: list[pa.Table] = []
    writer: pq.ParquetWriter | None = None
    try:
        for table in tables():
            writer = writer or pq.ParquetWriter(path, table.schema)
            waiting.append(table)
            rows, num_waiting = rows + table.num_rows, num_waiting + table.num_rows
            if num_waiting >= GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting), row_group_size=num_waiting)
                waiting, num_waiting = [], 0
        if writer is not None and num_waiting:
            writer.write_table(pa.concat_tables(waiting), row_group_size=num_waiting)
    finally:
        if writer is not None:
            writer.close()
    return rows
