"""Labels: what task they make, and which class or number each row has."""

import math
import re
from collections.abc import Sequence
from typing import Any

import polars as pl

from interfuse.core.errors import DataError, unknown
from interfuse.core.tasks import MATCH, NO_MATCH, PAIR_LABELS, TASKS
from interfuse.data.tables import drop_nan, ranges

SEPARATOR = "|"
TRUTHS = {"1": MATCH, "true": MATCH, "yes": MATCH, "0": NO_MATCH, "false": NO_MATCH, "no": NO_MATCH}
"""How a table of pairs may say that a caption fits, and that it does not."""


def infer_task(column: pl.Series) -> str:
    """Return the task that the labels make: lists or `a|b` multilabel, fractions regression, else multiclass."""
    if isinstance(column.dtype, pl.List | pl.Array):
        return "multilabel"
    numbers, fractions, empty = True, False, True
    for piece in ranges(len(column)):
        cells = [str(cell) for cell in drop_nan(distinct(column[piece])).drop_nulls().to_list()]
        if any(SEPARATOR in cell for cell in cells):
            return "multilabel"
        numbers, empty = numbers and all_numbers(cells), empty and not cells
        fractions = fractions or (numbers and any(not _whole(cell) for cell in cells))
    return "regression" if numbers and fractions and not empty else "multiclass"


def distinct(column: pl.Series) -> pl.Series:
    """Return each value once, by the first row that has it; where values cannot be told apart, all."""
    if column.dtype.is_nested() or column.dtype == pl.Object:
        return column
    return column.unique(maintain_order=True)


def read_labels(column: pl.Series, task: str) -> list[tuple[str, ...] | None]:
    """Read each row's labels as texts; None where there is none (an empty list is a label set of its own).

    Raises:
        DataError: the task cannot be learned from such labels.
    """
    check_labels(column, task)
    if task == "matching":
        return _read_truths(column)
    rows: list[tuple[str, ...] | None] = []
    for cell in map(_spell_whole, drop_nan(column).to_list()):
        if isinstance(cell, list):
            names = tuple(dict.fromkeys(str(_spell_whole(item)) for item in cell if item is not None))
            if task == "multiclass" and len(names) > 1:
                raise DataError(
                    f"Column {column.name!r} has a row with {len(names)} labels ({', '.join(names[:5])}), "
                    "and multiclass takes one: say task=multilabel."
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


def read_targets(column: pl.Series, rows: Sequence[int] | None = None) -> list[float | None]:
    """Read each row's number, for regression; None where there is none.

    Args:
        column: the cells.
        rows: what each row is called in an error; none: by its place.

    Raises:
        DataError: a cell is no finite number.
    """
    check_labels(column, "regression")
    targets: list[float | None] = []
    for place, cell in enumerate(drop_nan(column).to_list()):
        blank = cell is None or not str(cell).strip()
        value = None if blank else _number(cell)
        if not blank and value is None:
            row = place if rows is None else rows[place]
            raise DataError(
                f"Column {column.name!r} has {str(cell)!r} (row {row}), which is no finite number: regression learns "
                "numbers. If the labels are classes, say task=multiclass."
            )
        targets.append(value)
    return targets


def _number(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _read_truths(column: pl.Series) -> list[tuple[str, ...] | None]:
    """Return whether each pair fits."""
    truths: list[tuple[str, ...] | None] = []
    for cell in map(_spell_whole, drop_nan(column).to_list()):
        word = "" if cell is None else str(cell).strip().lower()
        if word and word not in TRUTHS:
            raise DataError(
                f"Column {column.name!r} has {str(cell)!r}: matching takes 1 or 0 (true or false, yes or no), whether "
                f"the text fits the picture. Classes {', '.join(PAIR_LABELS)} are made from captions alone without "
                "label=…."
            )
        truths.append((TRUTHS[word],) if word else None)
    return truths


def check_labels(column: pl.Series, task: str) -> None:
    """Refuse a task that is not there, and labels that cannot be read for it.

    Raises:
        DataError: for either.
    """
    if task not in TASKS:
        raise DataError(unknown("task", task, TASKS))
    dtype = column.dtype
    inner = dtype.inner if isinstance(dtype, pl.List | pl.Array) else dtype
    if inner.is_nested() or inner in (pl.Binary, pl.Object):
        raise DataError(f"Column {column.name!r} holds {dtype} values; a label is a text, a number or a list of them.")
    if task in ("matching", "regression") and dtype != inner:
        raise DataError(f"Column {column.name!r} holds lists, and {task} takes one label a row.")


def _spell_whole(cell: Any) -> Any:
    """Write a whole float without its .0: a table with a hole in it stores whole numbers as floats."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def label_values(column: pl.Series, task: str, names: Sequence[str], untyped: bool) -> tuple[Any, ...] | None:
    """Return each class as the column has it, where that is no text equal to its name: a number, a truth value.

    Args:
        column: the labels.
        task: what they are for.
        names: the classes.
        untyped: the column is of a text file, where a number is told by its spelling, as readers of tables do.

    Returns:
        A value a class, in their order; none where the names are the values, or a class does not occur.
    """
    inner = column.explode() if isinstance(column.dtype, pl.List | pl.Array) else column
    values_by_name: dict[str, Any] = {}
    for cell in map(_spell_whole, drop_nan(inner).drop_nulls().unique(maintain_order=True).to_list()):
        name = str(cell).strip()
        values_by_name.setdefault(TRUTHS.get(name.lower(), "") if task == "matching" else name, cell)
    if not all(name in values_by_name for name in names):
        return None
    values = tuple(values_by_name[name] for name in names)
    if untyped and task != "multilabel":
        values = _read_typed([str(value).strip() for value in values])
    return None if values == tuple(names) else values


def _read_typed(cells: Sequence[str]) -> tuple[Any, ...]:
    """Read cells of a text file as whole numbers or truth values, if all are; else they stay texts."""
    if {cell.lower() for cell in cells} <= {"true", "false"}:
        return tuple(cell.lower() == "true" for cell in cells)
    if all(re.fullmatch(r"-?(0|[1-9]\d*)", cell) for cell in cells):
        return tuple(map(int, cells))
    return tuple(cells)


def name_classes(labels: Sequence[tuple[str, ...] | None], labelled: int | None = None) -> tuple[str, ...]:
    """Return the classes in order: numbers by value, other names by letter.

    Args:
        labels: of the rows, or each kind of them once.
        labelled: rows that have a label; none: those of `labels`.

    Raises:
        DataError: there is only one class, or nearly every row has a class of its own.
    """
    names = sorted({name for row in labels if row for name in row})
    if names and all_numbers(names):
        names.sort(key=float)
    if len(names) < 2:
        classes = f"only {names[0]!r}" if names else "none"
        raise DataError(f"The label column has {classes}: there must be at least two classes to tell apart.")
    labelled = sum(1 for row in labels if row) if labelled is None else labelled
    if len(names) > 20 and len(names) > labelled / 2:
        raise DataError(
            f"The label column has {len(names):,} classes for {labelled:,} rows: nearly every row would be a class of "
            "its own. Is it the right column?"
        )
    return tuple(names)


def all_numbers(cells: Sequence[str]) -> bool:
    """Whether each of these texts is a number; NaN is none."""
    try:
        return all(float(cell) == float(cell) for cell in cells)
    except ValueError:
        return False


def _whole(cell: str) -> bool:
    return float(cell).is_integer()
