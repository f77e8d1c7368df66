"""JSON lines: an object a line; texts stay texts, lists stay lists, and a bad line is named."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.delimited import not_utf8, refuse_wide
from interfuse.data.spelling import spell
from interfuse.data.used import Used


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
    rows: list[dict[str, Any]] = []
    broken: dict[int, str] = {}
    seen: dict[str, None] = {}
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as handle:
        for number, line in enumerate(handle, 1):
            if not line.strip():
                continue
            try:
                row = _object(path, number, line)
            except DataError as error:
                broken[len(rows)], row = str(error).removesuffix("."), {}
            seen |= dict.fromkeys(row)
            rows.append({k: v for k, v in row.items() if used is None or used.may_want(k)})
    if broken and len(broken) == len(rows):
        raise DataError(f"{broken[0]}.")
    names = list(seen) if used is None else used.choose(list(seen))
    if used is not None and not all(map(used.may_want, names)):
        return read_json_lines(path)  # a column that is asked for is not there: the error shall list all
    return pl.DataFrame([_column(str(spell(name)), [row.get(name) for row in rows]) for name in names]), broken


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
