"""JSON lines: an object a line; texts stay texts, lists stay lists, and a bad line is named."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.readers.delimited import BROKEN, not_utf8, note_broken, refuse_wide
from interfuse.data.readers.parquet import PIECE_ROWS
from interfuse.data.readers.spelling import spell
from interfuse.data.readers.wanted_columns import Used
from interfuse.data.tables import spool_frames

COLUMN_TYPES = {"lists": pl.List(pl.String), "whole numbers": pl.Int64(), "numbers": pl.Float64(), "texts": pl.String()}
"""What a column may hold: the kind to its type."""


def read_json_lines(path: Path, used: Used | None = None) -> tuple[pl.DataFrame, dict[int, str]]:
    """Read one object a line; blank lines are no rows, a key that a line lacks is null.

    Args:
        path: the file.
        used: which keys are needed; none: all. The others are dropped line by line.

    Returns:
        The rows, and why a row cannot be read: its number from 0 to the reason; its cells are null.

    Raises:
        DataError: the text is UTF-16, or no line can be read.
    """
    refuse_wide(path)
    scan = _Scan(used)
    frame = spool_frames(_begin(path, scan))
    if scan.broken and len(scan.broken) == scan.count:
        raise DataError(f"{scan.broken[0]}.")
    names = list(scan.names) if used is None else used.choose(list(scan.names))
    if used is not None and not all(map(used.may_want, names)):
        return read_json_lines(path)  # a column that is asked for is not there: the error shall list all
    if frame.height < scan.count or frame.columns != names:
        kinds = {name: scan.kinds[name] for name in names}
        frame = spool_frames(note_broken(json_lines_pieces(path, kinds, PIECE_ROWS), {})) if names else frame.clear()
    return frame, scan.broken


def _begin(path: Path, scan: "_Scan") -> Iterator[pl.DataFrame]:
    """Go through the whole file; return pieces only until a column's kind is another than in the first of them."""
    objects = (scan.heed(row, reason) for row, reason in _objects(path))
    kinds: dict[str, str] | None = None
    same = True
    while piece := list(islice(objects, PIECE_ROWS)):
        kinds = scan.kinds if kinds is None else kinds
        same = same and scan.kinds == kinds
        if same:
            yield pl.DataFrame([_cast(name, [row.get(name) for row in piece], kind) for name, kind in kinds.items()])


def scan_json_lines(path: Path) -> tuple[dict[str, str], int, dict[int, str]]:
    """Return each column's kind, as `read_json_lines` would find it, the number of rows and the broken ones.

    Raises:
        DataError: the text is UTF-16.
    """
    refuse_wide(path)
    scan = _Scan()
    for row, reason in _objects(path):
        scan.heed(row, reason)
    return scan.kinds, scan.count, scan.broken


def json_lines_pieces(path: Path, columns: Mapping[str, str], rows: int) -> Iterator[pl.DataFrame]:
    """Return these columns, of the kinds that `scan_json_lines` found, and `BROKEN`, some rows at a time."""
    objects = _objects(path)
    while piece := list(islice(objects, rows)):
        cells = [_cast(name, [row.get(name) for row, _ in piece], kind) for name, kind in columns.items()]
        yield pl.DataFrame([*cells, pl.Series(BROKEN, [reason for _, reason in piece], dtype=pl.String)])


def _objects(path: Path) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Return each line's object, or an empty one and why it cannot be read."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as handle:
        for number, line in enumerate(handle, 1):
            if not line.strip():
                continue
            try:
                yield {str(spell(name)): cell for name, cell in _object(path, number, line).items()}, None
            except DataError as error:
                yield {}, str(error).removesuffix(".")


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    byte = not_utf8(line)
    if byte is not None:
        raise DataError(f"{path}, line {number}: {byte}.")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        place = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise DataError(f"{path}, line {number}: not JSON ({reason}{place}).") from error
    if not isinstance(row, dict):
        raise DataError(f'{path}, line {number}: expected an object such as {{"text": "…"}}, got a {_kind(row)}.')
    return row


@dataclass
class _Facts:
    """What decides a column's kind, gathered cell by cell."""

    kinds: set[str] = field(default_factory=set)
    whole: bool = True
    exact: bool = True
    """Whether a float64 holds every number."""

    def add(self, cell: Any) -> None:
        if cell is None:
            return
        kind = _kind(cell)
        self.kinds.add(kind)
        if kind == "number":
            self.whole &= isinstance(cell, int)
            self.exact &= abs(cell) < 2**53 or cell != cell

    @property
    def kind(self) -> str:
        """Lists of texts where any cell is a list, numbers where all are, else texts; a name of `COLUMN_TYPES`."""
        if "list" in self.kinds:
            return "lists"
        if self.kinds == {"number"} and self.exact:
            return "whole numbers" if self.whole else "numbers"
        return "texts"


@dataclass
class _Scan:
    """What going through a file finds out."""

    used: Used | None = None
    """Which columns' kinds are wanted; none: all."""
    count: int = 0
    broken: dict[int, str] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)
    """Every column, in the order of first use."""
    facts: dict[str, _Facts] = field(default_factory=dict)

    def heed(self, row: dict[str, Any], reason: str | None) -> dict[str, Any]:
        """Count a row in; return its cells in the wanted columns."""
        if reason is not None:
            self.broken[self.count] = reason
        self.count += 1
        self.names |= dict.fromkeys(row)
        cells = {name: cell for name, cell in row.items() if self.used is None or self.used.may_want(name)}
        for name, cell in cells.items():
            self.facts.setdefault(name, _Facts()).add(cell)
        return cells

    @property
    def kinds(self) -> dict[str, str]:
        """Each wanted column's kind."""
        return {name: facts.kind for name, facts in self.facts.items()}


def _cast(name: str, cells: list[Any], kind: str) -> pl.Series:
    dtype = COLUMN_TYPES[kind]
    if kind == "lists":
        lists = [cell if isinstance(cell, list) or cell is None else [cell] for cell in cells]
        spelled = [None if cell is None else [spell(item) for item in cell] for cell in lists]
        return pl.Series(name, spelled, dtype=dtype)
    if kind == "texts":
        return pl.Series(name, [spell(cell) for cell in cells], dtype=dtype)
    return pl.Series(name, cells, dtype=dtype, strict=False)


def _kind(cell: Any) -> str:
    kinds = {str: "text", bool: "truth value", int: "number", float: "number", list: "list", dict: "object"}
    return kinds.get(type(cell), "null")
