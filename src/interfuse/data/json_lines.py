"""JSON lines: an object a line; texts stay texts, lists stay lists, and a bad line is named."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.delimited import check_utf8
from interfuse.data.spelling import spell


def read_json_lines(path: Path) -> pl.DataFrame:
    """Read one object a line; blank lines are no rows, a key that a line lacks is null.

    Raises:
        DataError: the text is not UTF-8, or a line is no JSON object.
    """
    check_utf8(path)
    rows: list[dict[str, Any]] = []
    with path.open(encoding="utf-8-sig") as handle:
        for number, line in enumerate(handle, 1):
            if line.strip():
                rows.append(_object(path, number, line))
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame([_column(name, [row.get(name) for row in rows]) for name in names])


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
    """Make a column: lists of texts where any cell is a list, numbers where all are, else texts."""
    kinds = {_kind(cell) for cell in cells if cell is not None}
    if "list" in kinds:
        lists = [cell if isinstance(cell, list) or cell is None else [cell] for cell in cells]
        spelled = [None if cell is None else [spell(item) for item in cell] for cell in lists]
        return pl.Series(name, spelled, dtype=pl.List(pl.String))
    if kinds == {"number"} and all(cell is None or abs(cell) < 2**53 or cell != cell for cell in cells):
        whole = all(cell is None or isinstance(cell, int) for cell in cells)
        return pl.Series(name, cells, dtype=pl.Int64 if whole else pl.Float64, strict=False)
    return pl.Series(name, [spell(cell) for cell in cells], dtype=pl.String)


def _kind(cell: Any) -> str:
    kinds = {str: "text", bool: "truth value", int: "number", float: "number", list: "list", dict: "object"}
    return kinds.get(type(cell), "null")
