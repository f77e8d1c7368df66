"""A study's result on a terminal."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from interfuse.core.records import StudySummary
from interfuse.reports.formats import spell_delta, spell_mean

STYLES = {"wins": "bold green", "loses": "red", "floor": "dim", "baseline": "cyan", "no evidence": ""}


def print_summary(summary: StudySummary, console: Console) -> None:
    """Print the leaderboard and the verdict."""
    metric = summary.rows[0].metric if summary.rows else "score"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("design", overflow="fold", min_width=12)
    table.add_column(f"{metric} [95 % CI]", justify="right", no_wrap=True)
    table.add_column("Δ baseline [95 % CI]", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    if console.width >= 100:
        table.add_column("parameters", justify="right")
        table.add_column("seconds", justify="right")
    for row in summary.rows:
        cells = [row.design, spell_mean(row), spell_delta(row), row.verdict]
        if console.width >= 100:
            cells += [f"{row.parameters:,}", f"{row.train_seconds:.1f}"]
        table.add_row(*(Text(cell) for cell in cells), style=STYLES.get(row.verdict, ""))
    data = summary.study.get("data", {})
    rows = ", ".join(f"{count:,} {split}" for split, count in data.get("rows", {}).items())
    seeds = len(summary.study.get("seeds", []))
    console.print()
    console.print(Text(f"{data.get('source', '')}: {rows} rows; {seeds} seeds; test scores in points", style="dim"))
    console.print(table)
    console.print()
    console.print(Padding(Text(summary.verdict, style="bold"), (0, 0)))
    for detail in summary.details:
        console.print(Text(detail))
