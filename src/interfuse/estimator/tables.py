"""Tables as scikit-learn hands them over: their columns as lists, and pictures in memory as files."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from PIL import Image, ImageOps

from interfuse.core.errors import DataError, unknown

_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}


def read_column(table: Any, name: str, what: str) -> list[Any]:
    """Return one column of a table as a list.

    A table is one of pandas, polars, Arrow or Hugging Face `datasets`, a mapping of columns, or a list of rows.

    Raises:
        DataError: it is no table, or has no such column.
    """
    if isinstance(table, list) and table and all(isinstance(row, Mapping) for row in table):
        columns = dict.fromkeys(key for row in table for key in row)
        if name not in columns:
            raise DataError(unknown(f"column for {what}:", name, list(columns)))
        return [row.get(name) for row in table]
    if isinstance(table, pl.DataFrame):
        names = list(table.columns)
    elif isinstance(table, pa.Table) or type(table).__module__.startswith("datasets."):
        names = list(table.column_names)
    elif isinstance(table, Mapping) or hasattr(table, "columns"):
        names = [str(column) for column in (table.columns if hasattr(table, "columns") else table)]
    else:
        raise DataError(
            f"X is a {type(table).__name__}; a pandas, polars, Arrow or datasets table is expected, or a list of rows, "
            "with the columns that the estimator was told of (image=…, text=…)."
        )
    if name not in names:
        raise DataError(unknown(f"column for {what}:", name, names))
    cells: list[Any] = table[name].to_pylist() if isinstance(table, pa.Table) else list(table[name])
    return cells


def is_blank(cell: Any) -> bool:
    """Return whether a cell holds nothing: None, NaN, pandas' NA, or a text of spaces."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return True
    return type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and bool(cell != cell))


@contextmanager
def picture_files(cells: list[Any]) -> Iterator[tuple[list[str | None], Path | None]]:
    """Return a picture column as file names; pictures in memory are written as files for the time of the block.

    A picture in memory is a PIL image, an array (height, width), (height, width, 3 or 4) of bytes, the bytes of a
    picture file, or `{"bytes": …, "path": …}`, as datasets keep it; without bytes the path counts. Equal pictures are
    one file, and the store knows a file by its content, so each is encoded once.

    Yields:
        A name or None for each cell, and the folder that the names lie in where they were written now.

    Raises:
        DataError: a cell is no picture, or paths and pictures are mixed.
    """
    cells = [_unpack(cell) for cell in cells]
    paths = [isinstance(cell, str | Path) for cell in cells if not is_blank(cell)]
    if all(paths):
        yield [None if is_blank(cell) else str(cell) for cell in cells], None
        return
    if any(paths):
        raise DataError(
            f"The picture column mixes {sum(paths):,} paths with {len(paths) - sum(paths):,} pictures in memory: "
            "give one or the other."
        )
    with TemporaryDirectory(prefix="interfuse-pictures-") as folder:
        yield (
            [None if is_blank(cell) else _write(cell, Path(folder), row) for row, cell in enumerate(cells)],
            Path(folder),
        )


def _unpack(cell: Any) -> Any:
    """Return the bytes of a picture that comes with its path, or the path alone."""
    if isinstance(cell, Mapping) and set(cell) <= {"bytes", "path"}:
        return cell.get("bytes") or cell.get("path")
    return cell


def _write(cell: Any, folder: Path, row: int) -> str:
    """Write one picture under the hash of its content; return the file's name."""
    if isinstance(cell, bytes | bytearray | memoryview):
        content = bytes(cell)
    else:
        picture = cell if isinstance(cell, Image.Image) else _from_array(cell, row)
        picture = ImageOps.exif_transpose(picture) or picture  # a PNG would lose how it lies
        buffer = io.BytesIO()
        keep = picture.mode in _PNG_MODES
        (picture if keep else picture.convert("RGB")).save(buffer, "PNG", compress_level=1)
        content = buffer.getvalue()
    name = hashlib.blake2b(content, digest_size=16).hexdigest()
    if not (folder / name).exists():
        (folder / name).write_bytes(content)
    return name


def _from_array(cell: Any, row: int) -> Image.Image:
    values = np.asarray(cell)
    fits = values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (3, 4))
    if not fits or values.dtype != np.uint8:
        raise DataError(
            f"Row {row} of the picture column is a {type(cell).__name__} ({values.dtype}, shape {values.shape}); "
            "expected a path, a PIL image, bytes of a picture file, or a uint8 array (height, width[, 3 or 4]). "
            "Values from 0 to 1 become bytes by (255 * x).round().astype('uint8')."
        )
    return Image.fromarray(values)
