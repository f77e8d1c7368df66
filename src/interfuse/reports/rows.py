"""What the rows are like, split by split: counts, gaps, classes and leaks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interfuse.reports.facts import Facts, spell


@dataclass(frozen=True)
class SplitTable:
    """A table with a column a split."""

    splits: list[str]
    lines: list[tuple[str, list[str]]]


@dataclass(frozen=True)
class ClassLine:
    """A class, its rows, and its share of each split's rows, fractions 0 to 1."""

    name: str
    total: int
    counts: list[int]
    shares: list[float]


@dataclass(frozen=True)
class ClassTable:
    """Classes, the most frequent first."""

    splits: list[str]
    lines: list[ClassLine]
    hidden: int
    """Rarer classes that are not listed."""
    widest: float
    """The largest share, which fills a bar."""


def split_table(data: Mapping[str, Any]) -> SplitTable | None:
    """Lay out rows and gaps by split; None where the record knows neither."""
    rows = _table(data, "rows")
    if not rows:
        return None
    lines = [("rows", [spell(count) for count in rows.values()])]
    for modality, word in (("image", "without a picture"), ("text", "without a text")):
        counts = _table(_table(data, "missing"), modality)
        if counts:
            lines.append((word, [_share(counts.get(split, 0), int(rows[split])) for split in rows]))
    return SplitTable(list(rows), lines)


def class_table(data: Mapping[str, Any]) -> ClassTable | None:
    """Lay out the classes by split; None where the record does not count them."""
    classes, rows = _table(data, "classes"), _table(data, "rows")
    if not classes or not rows:
        return None
    splits = list(rows)
    lines = []
    for name, counts in classes.items():
        numbers = [int(counts.get(split, 0)) for split in splits]
        shares = [count / max(1, int(rows[split])) for count, split in zip(numbers, splits, strict=True)]
        lines.append(ClassLine(str(name), sum(numbers), numbers, shares))
    widest = max((share for line in lines for share in line.shares), default=0.0) or 1.0
    return ClassTable(splits, lines, max(0, len(data.get("label_names") or []) - len(lines)), widest)


def leak_facts(data: Mapping[str, Any]) -> Facts:
    """Return how many pictures, texts and pairs stand in two splits or more."""
    facts = []
    for what, count in _table(data, "leaks").items():
        leak = count and what != "text"  # one text may well go with many pictures
        facts.append(
            (f"{what} in two splits or more", spell(count) + (" (a leak: test scores flatter)" if leak else ""))
        )
    return facts


def _share(count: int, rows: int) -> str:
    return "0" if not count else f"{count:,} ({100 * count / max(1, rows):.1f} %)"


def _table(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = record.get(name)
    return dict(value) if isinstance(value, Mapping) else {}
