"""Tables that are built piece by piece: small ones in memory, large ones in a file without a name that is mapped."""

import mmap
import tempfile
from collections.abc import Iterable
from typing import IO, Any

import polars as pl
import pyarrow as pa

from interfuse.core.errors import DataError

HELD_BYTES = 4 << 20
"""What a table may take in memory before it goes to a file."""
BATCH_ROWS = 1 << 14
"""Rows of a piece of a table, about; also what is looked at at once where all rows are gone through."""
_NEWEST = pl.CompatLevel.newest()


class Spool:
    """An Arrow table that grows by pieces; beyond `HELD_BYTES` its pages are the system's to take back.

    The file lies in the folder for temporary files (`TMPDIR`) and is gone with the table, or with the process.
    """

    def __init__(self, schema: pa.Schema) -> None:
        """Start an empty table; columns hold no dictionaries."""
        self.schema = schema
        self._pending: list[pa.RecordBatch] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: pa.RecordBatchWriter | None = None

    def add(self, piece: pa.Table | pa.RecordBatch) -> None:
        """Append rows; their columns are those of the schema.

        Raises:
            DataError: the file cannot be written.
        """
        self._pending += piece.to_batches() if isinstance(piece, pa.Table) else [piece]
        self._bytes += piece.nbytes
        if self._bytes > HELD_BYTES:
            self._flush()

    def finish(self) -> pa.Table:
        """Return the table.

        Raises:
            DataError: the file cannot be written.
        """
        if self._writer is None or self._file is None:
            return pa.Table.from_batches(self._pending, self.schema)
        self._flush()
        self._writer.close()
        self._file.flush()
        content = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)  # outlives the file's closing
        self._file.close()
        return pa.ipc.open_file(pa.BufferReader(pa.py_buffer(content))).read_all()

    def _flush(self) -> None:
        try:
            if self._file is None or self._writer is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed when it is mapped
                self._writer = pa.ipc.new_file(self._file, self.schema)
            for batch in pa.Table.from_batches(self._pending, self.schema).combine_chunks().to_batches(BATCH_ROWS):
                self._writer.write_batch(batch)
        except OSError as error:
            raise DataError(
                f"Rows cannot be put aside in {tempfile.gettempdir()}: {error.strerror or error}. TMPDIR names another "
                "folder for it."
            ) from error
        self._pending, self._bytes = [], 0
        pa.default_memory_pool().release_unused()


def spool_frames(pieces: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Join frames of the same columns, of which the first may be empty; categories become texts.

    Raises:
        DataError: the rows are too many for memory, and no file can be written.
    """
    spool: Spool | None = None
    for frame in pieces:
        if any("\0" in name for name in frame.columns):
            raise DataError("A column's name holds the character NUL, which no table takes. Is this file a text file?")
        table = frame.cast({name: _plain(dtype) for name, dtype in frame.schema.items()}).to_arrow(compat_level=_NEWEST)
        spool = spool or Spool(table.schema)
        spool.add(table)
    if spool is None:
        return pl.DataFrame()
    return pl.DataFrame(pl.from_arrow(spool.finish(), rechunk=False))


def _plain(dtype: Any) -> Any:
    """Return the type without categories, whose dictionaries would differ from piece to piece."""
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return pl.String()
    return pl.List(_plain(dtype.inner)) if isinstance(dtype, pl.List) else dtype
