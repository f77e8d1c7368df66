"""A study's result, and a plan, on a terminal."""

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from interfuse.core.forecast import Forecast, ForecastCell
from interfuse.core.outside import printable
from interfuse.core.records import LeaderboardRow, StudySummary
from interfuse.evaluation import MOST_ROWS, MOST_SEEDS, spell_margin
from interfuse.reports.facts import spell_folds, spell_scope, spell_seeds
from interfuse.reports.formats import sort_rows, spell_cost, spell_delta, spell_mean

STYLES = {
    "surely wins": "bold green",
    "wins": "green",
    "loses": "red",
    "surely loses": "bold red",
    "floor": "dim",
    "baseline": "cyan",
}
NARROW, WIDE = 76, 104
"""Columns below which a design takes lines instead of a row, and above which its cost is shown beside it."""
GAP = 2
"""Columns between two cells."""


def print_summary(summary: StudySummary, console: Console) -> None:
    """Print the leaderboard and the verdict; no number is cut, however narrow the terminal."""
    rows = sort_rows(summary)
    metric = rows[0].metric if rows else "score"
    console.print()
    console.print(Text(_headline(summary), style="dim"))
    table = _table(rows, metric, console.width >= WIDE)
    if _least_width(table) > console.width:
        table = _table(rows, metric, False)
    if console.width < NARROW or _least_width(table) > console.width:
        _print_lines(rows, metric, console)
    else:
        console.print(table)
    console.print()
    console.print(plain(summary.verdict, "bold"))
    for detail in summary.details:
        console.print(plain(detail))


def _table(rows: list[LeaderboardRow], metric: str, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    table.add_column("design", overflow="fold", min_width=12)
    table.add_column(f"{metric} [95 % CI]", justify="right", no_wrap=True)
    table.add_column("Δ baseline [95 % CI]", justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    if wide:
        table.add_column("parameters", justify="right", no_wrap=True)
        table.add_column("seconds", justify="right", no_wrap=True)
    for row in rows:
        cells = [row.design, spell_mean(row), spell_delta(row), row.verdict, *(spell_cost(row) if wide else ())]
        table.add_row(*(plain(cell) for cell in cells), style=STYLES.get(row.verdict, ""))
    return table


def _least_width(table: Table) -> int:
    """Return the columns that the table needs so that nothing is cut: only a design's name is folded."""
    design, *others = table.columns
    widest = [max(cell_len(str(cell)) for cell in (column.header, *column.cells)) for column in others]
    return (design.min_width or 0) + sum(widest) + GAP * len(others)


def _print_lines(rows: list[LeaderboardRow], metric: str, console: Console) -> None:
    for row in rows:
        parameters, seconds = spell_cost(row)
        console.print(plain(f"{row.design}: {row.verdict}", STYLES.get(row.verdict, "")))
        console.print(plain(f"  {metric} {spell_mean(row)}"))
        if row.delta is not None:
            console.print(plain(f"  Δ {spell_delta(row)}"))
        console.print(plain(f"  {parameters} parameters, {seconds} s", "dim"))


def _headline(summary: StudySummary) -> str:
    """Return what was tested, as far as the record has it."""
    data, seeds = summary.study.get("data") or {}, spell_seeds(summary.study)
    rows = ", ".join(f"{count:,} {split}" for split, count in (data.get("rows") or {}).items())
    folds = spell_folds(summary.study)
    resplit = summary.study.get("resplit")
    facts = [
        folds.replace(" in ", " rows in ") if folds else f"{rows} rows" if rows else "",
        f"{resplit} splits, a seed each" if resplit else f"{seeds} seed{'' if seeds == '1' else 's'}" if seeds else "",
    ]
    opening = f"{data['source']}: " if data.get("source") else ""
    scope = f"test scores in points, 95 % intervals over {spell_scope(summary.study)}"
    return printable(opening + "; ".join([*filter(None, facts), scope]))


def plain(text: str, style: str = "") -> Text:
    """Make text of what a name may hold: no markup is read, and no control character reaches the terminal."""
    return Text(printable(text), style=style)


def print_forecast(forecast: Forecast, console: Console) -> None:
    """Print what so many seeds and rows could see, and what it takes."""
    console.print()
    console.print(f"{forecast.subject}: the smallest difference that is found {100 * forecast.power:.0f} times in 100")
    console.print("in points, and in brackets from the best to the worst that the pilot leaves open", style="dim")
    rows = sorted({cell.rows for cell in forecast.cells})
    hours = any(cell.hours is not None for cell in forecast.cells)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("seeds", justify="right")
    for count in rows:
        table.add_column(f"{count:,} rows", justify="right", no_wrap=True)
    if hours:
        table.add_column("hours", justify="right")
    for seeds in sorted({cell.seeds for cell in forecast.cells}):
        cells = [cell for cell in forecast.cells if cell.seeds == seeds]
        extra = [f"{cells[0].hours:.2f}"] if cells[0].hours is not None else []
        table.add_row(str(seeds), *(_spell(cell) for cell in sorted(cells, key=lambda cell: cell.rows)), *extra)
    console.print(table)
    console.print()
    goal = spell_margin(forecast.difference)
    console.print(f"{goal} on these {forecast.rows:,} test rows: {_range(forecast.seeds_needed, 'seeds')}.")
    console.print(f"{goal} with {forecast.seeds} seeds: {_range(forecast.rows_needed, 'test rows')}.")
    for note in forecast.notes:
        console.print(note)


def _spell(cell: ForecastCell) -> str:
    return f"{100 * cell.detectable:.1f} [{100 * cell.best:.1f}, {100 * cell.worst:.1f}]"


MOST = {"seeds": MOST_SEEDS, "test rows": MOST_ROWS}


def _range(ends: tuple[int | None, int | None], what: str) -> str:
    best, worst = ends
    if best is None:
        return f"no number of {what} that we looked at is enough (up to {MOST[what]:,})"
    if worst is None:
        return f"{best:,} {what} at best, and at worst more than {MOST[what]:,}, or no number"
    return f"{best:,} to {worst:,} {what}" if best != worst else f"{best:,} {what}"
