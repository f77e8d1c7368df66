"""Hugging Face datasets: by local folder or by name, through the `datasets` package; no dataset's code is run."""

from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from interfuse.core.errors import DataError, require
from interfuse.core.files import read_json
from interfuse.core.outside import check_inside, check_regular_file
from interfuse.data.pictures import Unpacked
from interfuse.data.readers.collection import Collection
from interfuse.data.readers.column_guesses import LABEL_NAMES, TEXT_NAMES, find_column
from interfuse.data.readers.parquet import first_line
from interfuse.data.splits import NAMES

PART = "interfuse_part"
_CHECKED = 1 << 14
"""Rows that are checked at once."""


def read_dataset(name: str, unpacked: Unpacked) -> Collection:
    """Read a dataset: the first Image feature is the picture, the label is the first ClassLabel, by its names.

    A folder that `save_to_disk` wrote, any other folder or hub name that `load_dataset` reads, `NAME:CONFIG` for one of
    several configurations. Its splits train, validation and test are taken; others are left out and said aloud.

    Raises:
        ExtraMissingError: the package `datasets` is not installed (the extra `hub`).
        DataError: the dataset cannot be found, reached or used.
    """
    package = require("datasets", "hub")
    dataset = _load(package, name)
    notes = []
    if isinstance(dataset, package.DatasetDict):
        splits = {split: part for split, part in dataset.items() if split.lower() in NAMES}
        others = [split for split in dataset if split not in splits]
        if others:
            notes.append(f"warning: the splits {', '.join(others)} of {name} are left out (split=COL uses a column).")
        if not splits:
            raise DataError(f"{name} has no split train, validation or test, but: {', '.join(dataset)}.")
        parts = dict(splits)
    else:
        parts = {"": dataset}
    for part in parts.values():
        _check_buffers(name, part)
    reader = _Reader(package, next(iter(parts.values())).features, unpacked)
    columns: dict[str, list[Any]] = {PART: [], **{column: [] for column in reader.kinds}}
    for split, part in parts.items():
        for row in reader.undecoded(part):
            columns[PART].append(split)
            for column in reader.kinds:
                columns[column].append(reader.read(column, row[column]))
    frame = pl.DataFrame({column: pl.Series(values, dtype=reader.dtype(column)) for column, values in columns.items()})
    roles = reader.choose(frame)
    if len(parts) > 1:
        roles["split"] = PART
    counts = ", ".join(f"{split} {part.num_rows:,}" for split, part in parts.items()) if len(parts) > 1 else ""
    notes.append(
        f"Dataset: {frame.height:,} rows{f' ({counts})' if counts else ''}; features {', '.join(reader.kinds)}."
    )
    if reader.skipped:
        notes.append(f"Features that are no picture, text, number or class are left out: {', '.join(reader.skipped)}.")
    names = reader.names.get(roles.get("label", ""))
    return Collection(frame, Path.cwd(), roles, names, notes)


def _load(package: ModuleType, name: str) -> Any:
    path = Path(name)
    try:
        if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
            _check_saved(path)
            return package.load_from_disk(str(path))
        if path.exists():
            return package.load_dataset(str(path))
        hub, _, config = name.partition(":")
        return package.load_dataset(hub, config or None)
    except DataError:
        raise
    except Exception as error:  # the package raises errors of many libraries
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"The dataset {name!r} cannot be loaded: {reason}. A hub that cannot be reached? Give the folder that "
            "save_to_disk wrote: hf:FOLDER."
        ) from error


def _check_saved(folder: Path) -> None:
    """Refuse a saved dataset whose lists name files outside its folder, or what is no file.

    Raises:
        DataError: it does.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = read_json(folder / "dataset_dict.json")["splits"]
        for split in splits:
            check_inside(folder, split)
        places = [folder / split for split in splits]
    else:
        places = [folder]
    for place in places:
        lists = [value for key, value in read_json(place / "state.json").items() if key.endswith("data_files")]
        for file in (file for files in lists for file in files or []):
            check_inside(place, file["filename"])
            check_regular_file(place / file["filename"])


def _check_buffers(name: str, part: Any) -> None:
    """Refuse a table whose cells lie outside its buffers, some rows at a time; to read such a cell ends the process.

    Raises:
        DataError: it is such a table.
    """
    tables = [part.data.table, *([part._indices.table] if part._indices is not None else [])]
    for table in tables:
        try:
            for batch in table.to_batches(_CHECKED):
                batch.validate(full=True)
        except (pa.ArrowException, ValueError, IndexError) as error:
            raise DataError(
                f"The dataset {name!r} is damaged: {first_line(error)}. Take it from a copy, or make it again."
            ) from error
    if len(tables) == 2 and len(numbers := tables[1].column(0)):
        ends = pc.min_max(numbers).as_py()
        if ends["min"] is None or ends["min"] < 0 or ends["max"] >= tables[0].num_rows:
            raise DataError(
                f"The dataset {name!r} is damaged: its indices lead outside its {tables[0].num_rows:,} rows."
            )


class _Reader:
    """What each feature is, and how a cell of it is read."""

    def __init__(self, package: ModuleType, features: Any, unpacked: Unpacked) -> None:
        self.package, self.unpacked = package, unpacked
        self.kinds: dict[str, str] = {}
        self.names: dict[str, tuple[str, ...]] = {}
        self.skipped: list[str] = []
        for column, feature in features.items():
            kind = self._kind(column, feature)
            if kind is None:
                self.skipped.append(column)
            else:
                self.kinds[column] = kind

    def _kind(self, column: str, feature: Any) -> str | None:
        inner = getattr(feature, "feature", None)
        if isinstance(feature, self.package.Image):
            return "image"
        if isinstance(feature, self.package.ClassLabel):
            self.names[column] = tuple(feature.names)
            return "class"
        if isinstance(inner, self.package.ClassLabel):
            self.names[column] = tuple(inner.names)
            return "classes"
        if isinstance(inner, self.package.Value):
            return "texts"
        if not isinstance(feature, self.package.Value):
            return None
        return "number" if "int" in feature.dtype or "float" in feature.dtype else "text"

    def undecoded(self, part: Any) -> Any:
        """Leave the pictures as the bytes or paths that they are stored as."""
        for column, kind in self.kinds.items():
            if kind == "image":
                part = part.cast_column(column, self.package.Image(decode=False))
        return part

    def read(self, column: str, cell: Any) -> Any:
        """Read one cell."""
        kind = self.kinds[column]
        if cell is None:
            return None
        if kind == "image":
            return self.unpacked.keep(cell["bytes"]) if cell["bytes"] is not None else cell["path"]
        if kind == "class":
            return self.names[column][cell] if cell >= 0 else None
        if kind == "classes":
            return [self.names[column][number] for number in cell if number >= 0]
        if kind == "texts":
            return [str(item) for item in cell if item is not None]
        return cell if kind == "number" else str(cell)

    def dtype(self, column: str) -> Any:
        """Return the column's type in the table; numbers are told from their values."""
        kind = self.kinds.get(column, "text")
        return pl.List(pl.String) if kind in ("classes", "texts") else None if kind == "number" else pl.String

    def choose(self, frame: pl.DataFrame) -> dict[str, str]:
        """Guess which columns are picture, text and label."""
        images = [column for column, kind in self.kinds.items() if kind == "image"]
        texts = [column for column, kind in self.kinds.items() if kind == "text"]
        classes = list(self.names)
        label = classes[0] if classes else find_column(frame, LABEL_NAMES)
        free = [column for column in texts if column != label]
        text = find_column(frame.select(free), TEXT_NAMES) or (free[0] if len(free) == 1 else None)
        guesses = {"image": images[0] if images else None, "text": text, "label": label}
        return {what: column for what, column in guesses.items() if column}
