"""Splits by group: rows that share a picture or a declared group never straddle train, validation and test."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from interfuse.core.errors import ConfigError, DataError
from interfuse.core.seeds import derive
from interfuse.data.tables import number_series, ranges, starts_of, take
from interfuse.settings import SourceSettings

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


def group_rows(*columns: Sequence[str | None] | np.ndarray) -> np.ndarray:
    """Return each row's group: two rows are one group if they share a value in any column, directly or through others.

    Args:
        columns: the values, or their numbers from 0; None, or below 0, is no value.

    >>> group_rows(["a", "a", "b", None], [None, "x", "x", None]).tolist()
    [0, 0, 0, 1]
    """
    numbered = [c if isinstance(c, np.ndarray) else number_series(pl.Series(c, dtype=pl.String))[0] for c in columns]
    numbered = [numbers for numbers in numbered if (numbers >= 0).any()]
    rows = np.arange(len(columns[0]), dtype=np.int32)
    least, before = rows.copy(), rows[:0]  # the first row that each is known to be in a group with
    while len(before) != len(least) or (least != before).any():
        before = least.copy()
        for numbers in numbered:
            inside = numbers >= 0
            of_value = np.full(int(numbers.max()) + 1, len(rows), np.int32)
            np.minimum.at(of_value, numbers[inside], least[inside])
            least[inside] = of_value[numbers[inside]]
        np.minimum.at(least, before, least.copy())  # what holds for a row holds for the first of its group
        least = least[least]
    numbers = np.cumsum(least == rows, dtype=np.int32) - 1
    return numbers[least]


@dataclass(frozen=True)
class Table:
    """What a split is made from: group, class and lasting name of each row."""

    groups: np.ndarray
    classes: np.ndarray
    """A group counts as its most frequent class."""
    names: Sequence[str] | pl.Series
    """Do not depend on the order of the rows; what is drawn depends on them."""

    places: np.ndarray | None = None
    """Which of the names is that of each row; none: all, in order."""

    def name(self, rows: np.ndarray) -> list[str]:
        """Return the names of some rows."""
        rows = rows if self.places is None else self.places[rows]
        if isinstance(self.names, pl.Series):
            return take(self.names, rows).to_list()
        return [self.names[row] for row in rows]

    def __getitem__(self, rows: np.ndarray) -> "Table":
        """Return some rows."""
        places = rows if self.places is None else self.places[rows]
        return Table(self.groups[rows], self.classes[rows], self.names, places)


def make_parts(
    table: Table, column: Sequence[str | None] | pl.Series | None, settings: SourceSettings
) -> tuple[np.ndarray, list[str]]:
    """Return the part of each row: as the column says, by fold, or dealt by group.

    Returns:
        The part of each row, and the sentences that must be said aloud.

    Raises:
        DataError: there are too few groups, or the column names another part.
        ConfigError: both a split and folds are asked for.
    """
    if column is not None and settings.folds:
        raise ConfigError("Give split=… or folds=…, not both: folds make every row a test row once.")
    if settings.folds:
        return _fold(table, settings)
    if column is not None:
        return _complete(table, read_split(column, str(settings.split)), settings)
    parts = np.full(len(table.groups), "train", dtype=object)
    parts = _carve(table, parts, "test", settings.test_share, settings.seed)
    share = settings.validation_share / (1 - settings.test_share)
    parts = _carve(table, parts, "validation", share, settings.seed)
    if settings.resplit:
        last = settings.seed + settings.resplit - 1
        note = (
            f"Splits: {settings.resplit}, each made anew by group (seeds {settings.seed} to {last}): {_counts(parts)}."
        )
    else:
        note = f"Split: made, by group (seed {settings.seed}): {_counts(parts)}. split=COL or test=FILE give your own."
    return parts, [note]


def _fold(table: Table, settings: SourceSettings) -> tuple[np.ndarray, list[str]]:
    """Make one fold the test split and carve validation from the rest, in every fold by a draw of its own.

    With one draw for all folds the same rows would serve as validation again and again, and the others never.
    """
    folds, seed, dealt = settings.folds or 1, settings.seed, deal_folds(table, settings)
    if len(set(dealt)) < folds:
        raise DataError(
            f"Too few groups of rows for {folds} folds: {len(set(table.groups.tolist()))}. Ask for fewer folds."
        )
    parts = np.where(dealt == str(settings.fold), "test", "train").astype(object)
    note = f"Folds: {folds}, dealt by group (seed {seed}); each draws its validation rows anew, by group."
    draw = derive(seed, "validation", settings.fold)
    return _carve(table, parts, "validation", settings.validation_share, draw), [note]


def deal_folds(table: Table, settings: SourceSettings) -> np.ndarray:
    """Return the number of each row's fold, as a text."""
    folds = settings.folds or 1
    return deal(table, {str(fold): 1 / folds for fold in range(folds)}, settings.seed)


def _complete(table: Table, parts: np.ndarray, settings: SourceSettings) -> tuple[np.ndarray, list[str]]:
    """Return a declared split as it is, count its leaks, and carve from train what it lacks."""
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
    inside = np.flatnonzero(parts == "train").astype(np.int32)
    dealt = deal(table[inside] if len(inside) < len(parts) else table, {"train": 1 - share, name: share}, seed)
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
    order = np.argsort(table.groups, kind="stable").astype(np.int32)
    starts = starts_of(table.groups[order])
    sizes = np.diff(starts, append=len(order))
    drawn = np.lexsort((_draw_groups(table, order, sizes, seed), _common_classes(table, order, sizes)))
    names, mean = list(shares), len(order) / len(drawn)
    largest = max(shares.values())
    last = [name for name in names if shares[name] == largest]
    fits = {name: share * len(order) + mean for name, share in shares.items()}
    filled, total, part_of = dict.fromkeys(shares, 0.0), 0, np.empty(len(drawn), np.int8)
    places = {name: place for place, name in enumerate(names)}
    for group, size in zip(drawn.tolist(), sizes[drawn].tolist(), strict=True):
        open_to = [name for name in names if filled[name] + size <= fits[name]] or last
        ahead = total + mean
        part = max(open_to, key=lambda name: shares[name] * ahead - filled[name])
        filled[part] += size
        total += size
        part_of[group] = places[part]
    parts = np.empty(len(order), dtype=object)
    part_of = np.repeat(part_of, sizes)
    for place, name in enumerate(names):
        parts[order[part_of == place]] = name
    return parts


def _draw_groups(table: Table, order: np.ndarray, sizes: np.ndarray, seed: int) -> np.ndarray:
    """Return a random number for each group, drawn by the least name in it.

    Args:
        table: the rows.
        order: the rows, group by group.
        sizes: rows of each group.
        seed: of the draw.
    """
    draws, number, rest = np.empty(len(sizes), np.uint64), 0, int(sizes[0]) if len(sizes) else 0
    least: str | None = None
    for piece in ranges(len(order)):
        for name in table.name(order[piece]):
            least = name if least is None or name < least else least
            rest -= 1
            if not rest:
                draws[number], least, number = _draw(seed, least), None, number + 1
                rest = int(sizes[number]) if number < len(sizes) else 0
    return draws


def _common_classes(table: Table, order: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the most frequent class of each group, the least of several; arguments are those of `_draw_groups`."""
    low = int(table.classes.min())
    width = int(table.classes.max()) - low + 1
    both = np.repeat(np.arange(len(sizes)) * width - low, sizes)  # group and class in one number
    both += table.classes[order]
    both.sort()
    starts = starts_of(both)
    counts = np.diff(starts, append=len(order))
    groups, classes = np.divmod(both[starts], width)
    best = np.lexsort((classes, -counts, groups))
    common: np.ndarray = classes[best][starts_of(groups[best])] + low
    return common


def read_split(column: Sequence[str | None] | pl.Series, name: str) -> np.ndarray:
    """Read a column of train, validation and test under their usual names.

    Raises:
        DataError: a value is none of them.
    """
    numbers, values = number_series(pl.Series(column, dtype=pl.String))
    cells = [*values.to_list(), *([None] if (numbers < 0).any() else [])]
    wrong = sorted({value or "" for value in cells if value is None or value.strip().lower() not in NAMES})
    if wrong:
        examples = ", ".join(repr(value) if value else "a blank cell" for value in wrong[:5])
        raise DataError(
            f"Column {name!r} has the split {examples}{', …' if len(wrong) > 5 else ''}; "
            "expected train, validation (val, valid, dev) or test."
        )
    parts: np.ndarray = np.array([NAMES[value.strip().lower()] for value in values.to_list()], dtype=object)[numbers]
    return parts


def leaks(groups: np.ndarray, parts: np.ndarray) -> list[int]:
    """Return the groups that straddle two parts or more."""
    inside = [np.unique(groups[parts == part]) for part in set(parts.tolist())]
    numbers, counts = np.unique(np.concatenate([*inside, groups[:0]]), return_counts=True)
    return [int(group) for group in numbers[counts > 1]]


def _draw(seed: int, name: str) -> int:
    digest = hashlib.blake2b(f"{seed}\x1f{name}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest())
