"""JSON lines: an object a line; texts stay texts, lists stay lists, and a bad line is named."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.delimited import check_utf8

KINDS = {"lists": pl.List(pl.String), "whole numbers": pl.Int64(), "numbers": pl.Float64(), "texts": pl.String()}
"""What a column may hold."""


def read_json_lines(path: Path) -> pl.DataFrame:
    """Read one object a line; blank lines are no rows, a key that a line lacks is null.

    Raises:
        DataError: the text is not UTF-8, or a line is no JSON object.
    """
    check_utf8(path)
    rows = list(_objects(path))
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame([_column(name, [row.get(name) for row in rows]) for name in names])


def scan_json_lines(path: Path) -> tuple[dict[str, str], int]:
    """Give each column's kind, as `read_json_lines` would find it, and the number of rows, in little memory.

    Raises:
        DataError: as `read_json_lines`.
    """
    check_utf8(path)
    found: dict[str, _Facts] = {}
    count = 0
    for row in _objects(path):
        count += 1
        for name, cell in row.items():
            found.setdefault(name, _Facts()).add(cell)
    return {name: facts.kind for name, facts in found.items()}, count


def json_lines_pieces(path: Path, columns: Mapping[str, str], rows: int) -> Iterator[pl.DataFrame]:
    """Give these columns, of the kinds that `scan_json_lines` found, some rows at a time; UTF-8 is not checked."""
    objects = _objects(path)
    while piece := list(islice(objects, rows)):
        yield pl.DataFrame([_cast(name, [row.get(name) for row in piece], kind) for name, kind in columns.items()])


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as handle:
        for number, line in enumerate(handle, 1):
            if line.strip():
                yield _object(path, number, line)


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        place = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise DataError(f"{path}, line {number}: not JSON ({reason}{place}).") from error
    if not isinstance(row, dict):
        raise DataError(f'{path}, line {number}: expected an object such as {{"text": "…"}}, got a {_kind(row)}.')
    return row


def _column(name: str, cells: list[Any]) -> pl.Series:
    facts = _Facts()
    for cell in cells:
        facts.add(cell)
    return _cast(name, cells, facts.kind)


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
        """Lists of texts where any cell is a list, numbers where all are, else texts; a name of `KINDS`."""
        if "list" in self.kinds:
            return "lists"
        if self.kinds == {"number"} and self.exact:
            return "whole numbers" if self.whole else "numbers"
        return "texts"


def _cast(name: str, cells: list[Any], kind: str) -> pl.Series:
    dtype = KINDS[kind]
    if kind == "lists":
        lists = [cell if isinstance(cell, list) or cell is None else [cell] for cell in cells]
        spelled = [None if cell is None else [_spell(item) for item in cell] for cell in lists]
        return pl.Series(name, spelled, dtype=dtype)
    if kind == "texts":
        return pl.Series(name, [_spell(cell) for cell in cells], dtype=dtype)
    return pl.Series(name, cells, dtype=dtype, strict=False)


def _kind(cell: Any) -> str:
    kinds = {str: "text", bool: "truth value", int: "number", float: "number", list: "list", dict: "object"}
    return kinds.get(type(cell), "null")


def _spell(cell: Any) -> str | None:
    """Spell a cell as text; half a surrogate pair, which UTF-8 does not have, becomes U+FFFD."""
    if cell is None:
        return None
    text = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
