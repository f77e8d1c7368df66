"""Labels: what task they make, and which class each row has."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from interfuse.core.errors import DataError, unknown
from interfuse.data.readers import drop_nan

TASKS = ("multiclass", "multilabel")
LATER = ("matching", "regression")
SEPARATOR = "|"


def infer_task(column: pl.Series) -> str:
    """Tell the task from the labels: lists or `a|b` multilabel, fractions regression, else multiclass."""
    if isinstance(column.dtype, pl.List | pl.Array):
        return "multilabel"
    cells = [str(cell) for cell in drop_nan(column).drop_nulls().to_list()]
    if any(SEPARATOR in cell for cell in cells):
        return "multilabel"
    return "regression" if cells and _all_numbers(cells) and any(not _whole(cell) for cell in cells) else "multiclass"


def read_labels(column: pl.Series, task: str) -> list[tuple[str, ...] | None]:
    """Read each row's labels as texts; None where there is none (an empty list is a label set of its own).

    Raises:
        DataError: the task cannot be learned from such labels.
    """
    _check(column, task)
    rows: list[tuple[str, ...] | None] = []
    for cell in map(_spell_whole, drop_nan(column).to_list()):
        if isinstance(cell, list):
            names = tuple(dict.fromkeys(str(_spell_whole(item)) for item in cell if item is not None))
            if task == "multiclass" and len(names) > 1:
                raise DataError(
                    f"Column {column.name!r} has a row with {len(names)} labels ({', '.join(names[:5])}), "
                    "and multiclass takes one: say --task multilabel."
                )
            rows.append(None if task == "multiclass" and not names else names)
        elif cell is None or not str(cell).strip():
            rows.append(None)
        elif task == "multilabel":
            parts = (part.strip() for part in str(cell).split(SEPARATOR))
            rows.append(tuple(dict.fromkeys(part for part in parts if part)))
        else:
            rows.append((str(cell).strip(),))
    return rows


def _check(column: pl.Series, task: str) -> None:
    """Refuse a task that is not there, and labels that cannot be read for it."""
    if task in LATER:
        raise DataError(
            f"Task {task!r} is not available: {', '.join(TASKS)} are. "
            f"If the numbers in {column.name!r} are classes, say --task multiclass."
        )
    if task not in TASKS:
        raise DataError(unknown("task", task, TASKS))
    dtype = column.dtype
    inner = dtype.inner if isinstance(dtype, pl.List | pl.Array) else dtype
    if inner.is_nested() or inner in (pl.Binary, pl.Object):
        raise DataError(f"Column {column.name!r} holds {dtype} values; a label is a text, a number or a list of them.")


def _spell_whole(cell: Any) -> Any:
    """Write a whole float without its .0: a table with a hole in it stores whole numbers as floats."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def name_classes(labels: Sequence[tuple[str, ...] | None]) -> tuple[str, ...]:
    """List the classes: numbers by value, other names by letter.

    Raises:
        DataError: there is only one class, or nearly every row has a class of its own.
    """
    counts = Counter(name for row in labels if row for name in row)
    names = sorted(counts)
    if names and _all_numbers(names):
        names.sort(key=float)
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        raise DataError(f"The label column has {found}: there must be at least two classes to tell apart.")
    labelled = sum(1 for row in labels if row)
    if len(names) > 20 and len(names) > labelled / 2:
        raise DataError(
            f"The label column has {len(names):,} classes for {labelled:,} rows: nearly every row would be a class of "
            "its own. Is it the right column?"
        )
    return tuple(names)


def _all_numbers(cells: Sequence[str]) -> bool:
    try:
        return all(float(cell) == float(cell) for cell in cells)
    except ValueError:
        return False


def _whole(cell: str) -> bool:
    return float(cell).is_integer()
