"""Splits by group: rows that share a picture or a declared group never straddle train, validation and test."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interfuse.core.errors import ConfigError, DataError
from interfuse.data.settings import SourceSettings

PARTS = ("train", "validation", "test")

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
    above = list(range(len(columns[0])))

    def root(row: int) -> int:
        while above[row] != row:
            above[row] = row = above[above[row]]
        return row

    for column in columns:
        first: dict[str, int] = {}
        for row, value in enumerate(column):
            if value is not None:
                low, high = sorted((root(row), root(first.setdefault(value, row))))
                above[high] = low
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(root(row), len(numbers)) for row in range(len(above))], dtype=np.int64)


@dataclass(frozen=True)
class Table:
    """What a split is made from: group, class and lasting name of each row."""

    groups: np.ndarray
    classes: np.ndarray
    """A group counts as its most frequent class."""
    names: Sequence[str]
    """Does not depend on the order of the rows; what is drawn depends on it."""

    def __getitem__(self, rows: np.ndarray) -> "Table":
        """Take some rows."""
        return Table(self.groups[rows], self.classes[rows], [self.names[row] for row in rows])


def make_parts(
    table: Table, given: Sequence[str | None] | None, settings: SourceSettings
) -> tuple[np.ndarray, list[str]]:
    """Give each row its part: as the column says, by fold, or dealt by group.

    Returns:
        The part of each row, and the sentences that must be said aloud.

    Raises:
        DataError: there are too few groups, or the column names another part.
        ConfigError: both a split and folds are asked for.
    """
    if given is not None and settings.folds:
        raise ConfigError("Give --split or --folds, not both: folds make every row a test row once.")
    if settings.folds:
        return _fold(table, settings)
    if given is not None:
        return _complete(table, read_split(given, str(settings.split)), settings)
    parts = np.full(len(table.groups), "train", dtype=object)
    parts = _carve(table, parts, "test", settings.test_share, settings.seed)
    kept = settings.validation_share / (1 - settings.test_share)
    parts = _carve(table, parts, "validation", kept, settings.seed)
    note = f"Split: made, by group (seed {settings.seed}): {_counts(parts)}. --split COL or --test FILE give your own."
    return parts, [note]


def _fold(table: Table, settings: SourceSettings) -> tuple[np.ndarray, list[str]]:
    """Make one fold the test split and carve validation from the rest."""
    folds, seed, dealt = settings.folds or 1, settings.seed, deal_folds(table, settings)
    if len(set(dealt)) < folds:
        raise DataError(
            f"Too few groups of rows for {folds} folds: {len(set(table.groups.tolist()))}. Ask for fewer folds."
        )
    parts = np.where(dealt == str(settings.fold), "test", "train").astype(object)
    note = f"Folds: {folds}, dealt by group (seed {seed}); in each, validation is carved from train by group."
    return _carve(table, parts, "validation", settings.validation_share, seed), [note]


def deal_folds(table: Table, settings: SourceSettings) -> np.ndarray:
    """Give each row the number of its fold, as a text."""
    folds = settings.folds or 1
    return deal(table, {str(fold): 1 / folds for fold in range(folds)}, settings.seed)


def _complete(table: Table, parts: np.ndarray, settings: SourceSettings) -> tuple[np.ndarray, list[str]]:
    """Take a split as it is given, count its leaks, and carve from train what it lacks."""
    notes = []
    if not (parts == "train").any():
        raise DataError(f"Column {settings.split!r} calls no row train.")
    straddling = leaks(table.groups, parts)
    if straddling:
        rows = int(np.isin(table.groups, straddling).sum())
        shared = f"the same picture or {settings.group!r}" if settings.group else "the same picture"
        many = "group of rows with" if len(straddling) == 1 else "groups of rows with"
        verb = "straddles" if len(straddling) == 1 else "straddle"
        notes.append(
            f"warning: {len(straddling):,} {many} {shared} {verb} the given split: a leak ({rows:,} rows). "
            "The split is used as given."
        )
    for name, share in (("test", settings.test_share), ("validation", settings.validation_share)):
        if share and not (parts == name).any():
            parts = _carve(table, parts, name, share, settings.seed)
            notes.append(f"Split: {name} carved from train by group (seed {settings.seed}): {_counts(parts)}.")
    return parts, notes


def _carve(table: Table, parts: np.ndarray, name: str, share: int | float, seed: int) -> np.ndarray:
    """Move a share of the train rows, whole groups, to another part."""
    if share == 0:
        return parts
    inside = np.flatnonzero(parts == "train")
    dealt = deal(table[inside], {"train": 1 - share, name: share}, seed)
    if len(set(dealt)) < 2:
        raise DataError(
            f"Too few groups of rows to make a {name} split: {len(set(table.groups[inside].tolist()))}. "
            "Give more rows, or a split of your own."
        )
    parts = parts.copy()
    parts[inside] = dealt
    return parts


def _counts(parts: np.ndarray) -> str:
    return ", ".join(f"{int((parts == name).sum()):,} {name}" for name in PARTS)


def deal(table: Table, shares: Mapping[str, float], seed: int) -> np.ndarray:
    """Deal whole groups into parts with these shares of the rows, class by class as evenly as groups allow.

    Each group goes to the part that lacks most, judged before its own size is counted: otherwise small groups would
    gather in the small parts. Only a group too large for a part is kept out of it.

    Args:
        table: the rows.
        shares: part to fraction of the rows; the fractions add up to 1.
        seed: of the draw.

    Returns:
        The part of each row.
    """
    order = np.argsort(table.groups, kind="stable")
    starts = np.flatnonzero(np.diff(table.groups[order], prepend=-1))
    drawn = sorted(
        (_common(table.classes[rows]), _draw(seed, min(table.names[row] for row in rows)), number, rows)
        for number, rows in enumerate(np.split(order, starts[1:]))
    )
    parts = np.empty(len(order), dtype=object)
    mean = len(order) / len(drawn)
    given, dealt = dict.fromkeys(shares, 0.0), 0
    for *_, rows in drawn:
        room = {name: share for name, share in shares.items() if given[name] + len(rows) <= share * len(order) + mean}
        largest = max(shares.values())
        open_to = room or {name: share for name, share in shares.items() if share == largest}
        part = max(open_to, key=lambda name: shares[name] * (dealt + mean) - given[name])
        given[part] += len(rows)
        dealt += len(rows)
        parts[rows] = part
    return parts


def read_split(column: Sequence[str | None], name: str) -> np.ndarray:
    """Read a column of train, validation and test under their usual names.

    Raises:
        DataError: a value is none of them.
    """
    wrong = sorted({value or "" for value in column if value is None or value.strip().lower() not in NAMES})
    if wrong:
        told = ", ".join(repr(value) if value else "a blank cell" for value in wrong[:5])
        raise DataError(
            f"Column {name!r} has the split {told}{', …' if len(wrong) > 5 else ''}; "
            "expected train, validation (val, valid, dev) or test."
        )
    return np.array([NAMES[value.strip().lower()] for value in column if value is not None], dtype=object)


def leaks(groups: np.ndarray, parts: np.ndarray) -> list[int]:
    """List the groups that straddle two parts or more."""
    pairs = {(int(group), str(part)) for group, part in zip(groups, parts, strict=True)}
    return sorted(group for group, count in Counter(group for group, _ in pairs).items() if count > 1)


def _common(classes: np.ndarray) -> int:
    values, counts = np.unique(classes, return_counts=True)
    return int(values[counts.argmax()])


def _draw(seed: int, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}\x1f{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
