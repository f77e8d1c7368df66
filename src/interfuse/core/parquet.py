"""Parquet files of ours: with a hash of their bytes inside, so that a flipped bit is an error and no number.

The hash stands between the last page and the footer, where the format looks at nothing: every reader of Parquet opens
the file as any other.
"""

import hashlib
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from interfuse.core.errors import DataError
from interfuse.core.files import write_atomically

_MARK = b"interfuse digest"
_DIGEST = 16
_TAIL = 8
"""Bytes after the footer: its length, and the format's own mark."""


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file atomically, with the hash of its bytes."""
    write_atomically(path, lambda temporary: temporary.write_bytes(_with_digest(table)))


def read_table(path: Path, schema: pa.Schema | None = None) -> pa.Table:
    """Read a Parquet file; one that carries a hash must agree with it.

    Args:
        path: the file.
        schema: columns that it must have, of these types; none: any. Further columns may stand beside them.

    Raises:
        DataError: the file is no Parquet, lacks a column, or was damaged after it was written.
    """
    content = path.read_bytes()
    place = _footer(content) - _DIGEST - len(_MARK)
    if place >= 0 and content[place : place + len(_MARK)] == _MARK:
        start = place + len(_MARK)
        if _hash(content[:place], content[start + _DIGEST :]) != content[start : start + _DIGEST]:
            raise DataError(
                f"{path} is not as it was written: its content does not fit its hash. Take it from a copy, or make it "
                "again."
            )
    try:
        table = pq.read_table(pa.BufferReader(content))
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise DataError(f"{path} is no Parquet file that can be read: {error}.") from error
    for field in schema or ():
        if field.name not in table.schema.names or table.schema.field(field.name).type != field.type:
            raise DataError(f"{path} has no column {field.name!r} of type {field.type}. Take it from a copy.")
    return table


def _with_digest(table: pa.Table) -> bytes:
    """Return the bytes of a Parquet file, with the hash before the footer."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    content = buffer.getvalue()
    place = _footer(content)
    return content[:place] + _MARK + _hash(content[:place], content[place:]) + content[place:]


def _footer(content: bytes) -> int:
    """Return where the footer begins; below 0 where the bytes are too few for one."""
    return len(content) - _TAIL - int.from_bytes(content[-_TAIL : -_TAIL // 2], "little")


def _hash(*parts: bytes) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST)
    for part in parts:
        digest.update(part)
    return digest.digest()
