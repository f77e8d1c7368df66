"""A ranking over data sets on a terminal."""

from typing import Literal

from rich.console import Console
from rich.table import Table

from interfuse.core.ranking import Ranking
from interfuse.reports.ranking.tables import overall_cells, spell_critical
from interfuse.reports.terminal import STYLES, plain

NARROW = 104
"""Columns below which a design takes lines instead of a row."""


def print_ranking(ranking: Ranking, console: Console) -> None:
    """Print the pooled differences, the ranks and the verdict; no number is cut, however narrow the terminal."""
    names = ", ".join(one.name for one in ranking.data_sets)
    console.print()
    console.print(
        plain(f"{len(ranking.data_sets)} data sets ({names}); {ranking.metric} in points, 95 % intervals", "dim")
    )
    head = ("design", f"Δ {ranking.baseline}", "Holm p", "verdict", "on a new one", "plain mean", "τ", "I²", "rank")
    rows = [overall_cells(one) for one in ranking.designs]
    if console.width < NARROW:
        for one, (design, *cells) in zip(ranking.designs, rows, strict=True):
            console.print(plain(f"{design}: {one.verdict}", STYLES.get(one.verdict, "")))
            pairs = zip(head[1:], cells, strict=True)
            console.print(plain("  " + ", ".join(f"{name} {cell}" for name, cell in pairs if name != "verdict")))
    else:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for place, title in enumerate(head):
            side: Literal["left", "right"] = "left" if title in ("design", "verdict") else "right"
            table.add_column(
                plain(title), justify=side, no_wrap=place > 1, overflow="fold", min_width=min(12, len(title))
            )
        for one, row in zip(ranking.designs, rows, strict=True):
            table.add_row(*(plain(cell) for cell in row), style=STYLES.get(one.verdict, ""))
        console.print(table)
    if ranking.test is not None:
        console.print()
        console.print(plain(spell_critical(ranking)))
    console.print()
    console.print(plain(ranking.verdict, "bold"))
    for detail in ranking.details:
        console.print(plain(detail))
