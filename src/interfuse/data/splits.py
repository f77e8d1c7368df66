"""Splits by group: rows that share a picture or a declared group never straddle train, validation and test."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from interfuse.core.errors import DataError

NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def group_rows(*columns: Sequence[str | None]) -> np.ndarray:
    """Number the groups: two rows are one group if they share a value in any column, directly or through others.

    >>> group_rows(["a", "a", "b", None], [None, "x", "x", None]).tolist()
    [0, 0, 0, 1]
    """
    count = len(columns[0])
    left, right = [], []
    for column in columns:
        first: dict[str, int] = {}
        for row, value in enumerate(column):
            if value is not None:
                left.append(row)
                right.append(first.setdefault(value, row))
    links = coo_array((np.ones(len(left)), (left, right)), shape=(count, count))
    _, raw = connected_components(links, directed=False)
    _, first_row, inverse = np.unique(raw, return_index=True, return_inverse=True)
    rank = np.empty(len(first_row), dtype=np.int64)
    rank[np.argsort(first_row)] = np.arange(len(first_row))
    return rank[inverse]


def deal(
    groups: np.ndarray, classes: np.ndarray, names: Sequence[str], shares: Mapping[str, float], seed: int
) -> np.ndarray:
    """Deal whole groups into parts with these shares of the rows, class by class as evenly as groups allow.

    Args:
        groups: group number of each row.
        classes: class number of each row (a group counts as its most frequent class).
        names: name of each row that does not depend on the order of the rows, for drawing.
        shares: part to fraction of the rows; the fractions add up to 1.
        seed: of the draw.

    Returns:
        The part of each row.
    """
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    members = np.split(order, starts[1:])
    keyed = sorted(members, key=lambda rows: (_common(classes[rows]), _draw(seed, min(names[row] for row in rows))))
    parts = np.empty(len(groups), dtype=object)
    given, dealt = dict.fromkeys(shares, 0.0), 0
    for rows in keyed:
        dealt += len(rows)
        part = max(shares, key=lambda name: shares[name] * dealt - given[name])
        given[part] += len(rows)
        parts[rows] = part
    return parts


def read_split(column: Sequence[str | None], name: str) -> np.ndarray:
    """Read a column of train, validation and test under their usual names.

    Raises:
        DataError: a value is none of them.
    """
    wrong = sorted({str(value) for value in column if value is None or value.strip().lower() not in NAMES})
    if wrong:
        raise DataError(
            f"Column {name!r} has the split {wrong[0]!r}; expected train, validation (val, valid, dev) or test."
        )
    return np.array([NAMES[value.strip().lower()] for value in column if value is not None], dtype=object)


def leaks(groups: np.ndarray, parts: np.ndarray) -> int:
    """Count the groups that straddle two parts."""
    pairs = {(int(group), str(part)) for group, part in zip(groups, parts, strict=True)}
    return len(pairs) - len({group for group, _ in pairs})


def _common(classes: np.ndarray) -> int:
    values, counts = np.unique(classes, return_counts=True)
    return int(values[counts.argmax()])


def _draw(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}\x1f{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
