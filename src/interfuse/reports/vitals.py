"""What training health records beside the gradients' norms, as small tables: how a design stood when training ended."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interfuse.core.records import late_rows
from interfuse.reports.curves import History

MOST = 12
"""Most lines of a table: deep stacks have an attention in every layer."""
ABSENT = "–"
Epochs = Sequence[Mapping[str, Any]]
"""Rows of `history.parquet`, in their order."""


@dataclass(frozen=True)
class Vitals:
    """One table: a line a block, an attention or a gate."""

    head: tuple[str, ...]
    lines: list[tuple[str, list[str]]]
    hidden: int
    """Lines beyond `MOST`."""


def gather_vitals(history: History) -> list[Vitals]:
    """Return a design's updates and zeros, attention, gates and learning speeds; what no record knows has no line.

    Each number is the median over the last fifth of a training's epochs, and of these over the seeds; beside the late
    update, which falls with the learning rate, stands the largest that was measured at any epoch.
    """
    blocks = {name: one for name, one in sum_up(history, "parts", "part").items() if "." not in name}
    largest = sum_up(history, "parts", "part", rows_of=list, by=max)
    attention, gates = sum_up(history, "attention", "name"), sum_up(history, "gates", "name")
    speeds = sum_up({seed: [_with_speed(row) for row in rows] for seed, rows in history.items()}, "speeds", "name")
    updates = {
        name: [_number(largest[name].get("update_ratio")), _number(one.get("update_ratio")), _percent(one.get("zeros"))]
        for name, one in blocks.items()
    }
    entropies = {
        name.removesuffix(".attention"): [_number(one.get("entropy")), _count(one)] for name, one in attention.items()
    }
    tables = [
        _table(("block", "largest update", "late update", "zeros"), updates),
        _table(("attention", "entropy", "dead heads"), entropies),
        _table(("gate", "saturated"), {name: [_percent(one.get("saturation"))] for name, one in gates.items()}),
        _table(("speed", "image : text"), {name: [_number(one.get("ogm_ratio"))] for name, one in speeds.items()}),
    ]
    return [table for table in tables if table.lines]


def sum_up(
    history: History,
    column: str,
    label: str,
    rows_of: Callable[[Epochs], Epochs] = late_rows,
    by: Callable[[list[int | float]], int | float] = statistics.median,
) -> dict[str, dict[str, int | float]]:
    """Return each value of each named thing of a column: one number a training, and of these the median over seeds.

    Args:
        history: of every seed.
        column: list of named things.
        label: key of their name.
        rows_of: which epochs of a training count.
        by: what makes one number of a training's.
    """
    ends: dict[str, dict[str, list[int | float]]] = {}
    for rows in history.values():
        own: dict[str, dict[str, list[int | float]]] = {}
        for one in (one for row in rows_of(rows) for one in row.get(column) or []):
            for key, value in _numbers(one):
                own.setdefault(one[label], {}).setdefault(key, []).append(value)
        for name, values in own.items():
            for key, each in values.items():
                ends.setdefault(name, {}).setdefault(key, []).append(by(each))
    return {name: {key: statistics.median(each) for key, each in values.items()} for name, values in ends.items()}


def _with_speed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Make of an epoch's one number a column of named things, as the others are."""
    return {**row, "speeds": [{"name": "OGM ratio", "ogm_ratio": row.get("ogm_ratio")}]}


def _numbers(one: Mapping[str, Any]) -> Iterable[tuple[str, int | float]]:
    return ((key, v) for key, v in one.items() if isinstance(v, int | float) and math.isfinite(v))


def _table(head: tuple[str, ...], lines: Mapping[str, list[str]]) -> Vitals:
    entries = [(name, cells) for name, cells in lines.items() if set(cells) != {ABSENT}]
    return Vitals(head, entries[:MOST], max(0, len(entries) - MOST))


def _number(value: int | float | None) -> str:
    return ABSENT if value is None else f"{value:.2g}"


def _percent(value: int | float | None) -> str:
    return ABSENT if value is None else f"{100 * value:.3g} %"


def _count(one: Mapping[str, int | float]) -> str:
    return f"{one['dead_heads']:g} of {one['heads']:g}" if "dead_heads" in one else ABSENT
