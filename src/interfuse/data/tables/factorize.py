"""Equal values, numbered: what takes the place of a dictionary where there are as many values as rows."""

from collections.abc import Callable, Iterator
from itertools import count as counting
from typing import Any

import numpy as np
import polars as pl

from interfuse.data.tables.spool import BATCH_ROWS

Read = Callable[[np.ndarray], pl.Series]
"""Places of some rows, rising or not, to their values."""


def ranges(count: int, size: int | None = None) -> Iterator[slice]:
    """Cut `count` rows into pieces of `size`, or of `BATCH_ROWS`, in order."""
    size = size or BATCH_ROWS
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def take(column: pl.Series, places: np.ndarray) -> pl.Series:
    """Return some rows of a column; rows in a run are not copied."""
    if len(places) and (np.diff(places) == 1).all():
        return column.slice(int(places[0]), len(places))
    return column.gather(places)


def starts_of(rising: np.ndarray) -> np.ndarray:
    """Return the places where an array in order has a value for the first time."""
    starts = np.ones(len(rising), bool)
    np.not_equal(rising[1:], rising[:-1], out=starts[1:])
    return np.flatnonzero(starts)


def number_values(count: int, read: Read) -> tuple[np.ndarray, np.ndarray]:
    """Number equal values alike, from 0 by the row that has each first.

    Values are told apart by their 64-bit hashes and then compared, some rows at a time: what is held does not depend on
    their length.

    Args:
        count: how many rows there are.
        read: gives some of them.

    Returns:
        The number of each row's value, -1 for null; and the first row of each number.

    >>> column = pl.Series(["b", None, "a", "b"])
    >>> [array.tolist() for array in number_values(4, column.gather)]
    [[0, -1, 1, 0], [0, 2]]
    """
    if count and read(np.zeros(1, np.int64)).dtype.is_nested():
        return _number_lists(count, read)
    for seed in counting():
        hashes, null = np.empty(count, np.uint64), np.zeros(count, bool)
        for piece in ranges(count):
            values = read(np.arange(piece.start, piece.stop))
            hashes[piece], null[piece] = values.hash(seed).to_numpy(), values.is_null().to_numpy()
        numbers, firsts = _number_hashes(hashes, null)
        if _are_equal(read, numbers, firsts):
            return numbers, firsts
    raise AssertionError


def number_series(column: pl.Series) -> tuple[np.ndarray, pl.Series]:
    """Number a column's values; return the numbers, and the distinct values in their order."""
    numbers, firsts = number_values(len(column), lambda places: take(column, places))
    return numbers, column.gather(firsts)


def _number_hashes(hashes: np.ndarray, null: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(hashes, kind="stable")
    order = order[~null[order]] if null.any() else order
    starts = starts_of(hashes[order])
    firsts = order[starts]
    rank = np.empty(len(firsts), np.int32)
    rank[np.argsort(firsts)] = np.arange(len(firsts), dtype=np.int32)
    numbers = np.full(len(hashes), -1, np.int32)
    numbers[order] = np.repeat(rank, np.diff(starts, append=len(order)))
    return numbers, np.sort(firsts)


def _are_equal(read: Read, numbers: np.ndarray, firsts: np.ndarray) -> bool:
    """Whether every row has the value of the first row of its number: two values may have one hash."""
    for piece in ranges(len(numbers)):
        rows = np.arange(piece.start, piece.stop)
        rows = rows[(numbers[piece] >= 0) & (firsts[numbers[piece]] != rows)] if len(firsts) else rows[:0]
        if len(rows) and not (read(rows) == read(firsts[numbers[rows]])).all():
            return False
    return True


def _number_lists(count: int, read: Read) -> tuple[np.ndarray, np.ndarray]:
    known: dict[Any, int] = {}
    firsts: list[int] = []
    numbers = np.full(count, -1, np.int32)
    for piece in ranges(count):
        for row, cell in enumerate(read(np.arange(piece.start, piece.stop)).to_list(), piece.start):
            if cell is not None:
                numbers[row] = known.setdefault(repr(cell), len(known))
                if len(firsts) < len(known):
                    firsts.append(row)
    return numbers, np.array(firsts, np.int64)
