"""A study's leaderboard as JSON, Markdown and CSV."""

import csv
import dataclasses
import io
import json
import re
from typing import Any

from interfuse.core.outside import neutral_cell
from interfuse.core.records import LeaderboardRow, StudySummary, finite
from interfuse.evaluation import DECLARED, spell_p, spell_points
from interfuse.reports.facts import data_card, notes, origin

COSTS = {"flops": "FLOPs a row", "latency_ms": "ms a row", "memory_mb": "MB"}
"""What is measured of cost beside parameters and seconds, and its heading."""
COLUMNS = [
    *(field.name for field in dataclasses.fields(LeaderboardRow) if field.name != "metrics"),
    *(*COSTS, "study_verdict", "primary"),
]


def to_json(summary: StudySummary) -> str:
    """Return the leaderboard as a JSON list, the best first; fractions 0 to 1, seconds, null where there is no value.

    Every object also has the costs of its design, and the study's own verdict and declared contrast in words.
    """
    return json.dumps(_records(summary), indent=2, ensure_ascii=False, allow_nan=False)


def to_csv(summary: StudySummary) -> str:
    """Return the leaderboard as CSV with the columns of the JSON objects, and one column `test METRIC` a metric."""
    buffer = io.StringIO()
    names = metric_names(summary)
    writer = csv.DictWriter(buffer, fieldnames=[*COLUMNS, *(f"test {n}" for n in names)], lineterminator="\n")
    writer.writeheader()
    for row in _records(summary):
        metrics = row.pop("metrics")
        cells = {**row, **{f"test {name}": metrics.get(name) for name in names}}
        writer.writerow({name: neutral_cell(cell) for name, cell in cells.items()})
    return buffer.getvalue()


def to_markdown(summary: StudySummary) -> str:
    """Return verdict, leaderboard, data and origin as Markdown, in points."""
    rows = sort_rows(summary)
    metric = rows[0].metric if rows else "score"
    lines = [f"**{escape_markdown(summary.verdict)}**", ""]
    lines += [f"- {escape_markdown(detail)}" for detail in summary.details]
    costs = known_costs(summary)
    head = [
        f"{metric} (95 % CI)",
        "Δ baseline (95 % CI)",
        "Holm p",
        "verdict",
        "parameters",
        "seconds",
        *costs.values(),
    ]
    lines += ["", "| design | " + " | ".join(head) + " |"]
    lines.append("|---|---:|---:|---:|---|---:|---:|" + "---:|" * len(costs))
    for row in rows:
        more = [spell_big(summary.costs.get(row.design, {}).get(name)) for name in costs]
        cells = (
            row.design,
            spell_mean(row),
            spell_delta(row),
            spell_p(row.p_holm),
            row.verdict,
            *spell_cost(row),
            *more,
        )
        lines.append("| " + " | ".join(escape_markdown(cell, bare_brackets=True) for cell in cells) + " |")
    names = metric_names(summary)
    if names:
        lines += ["", "## Every metric on test", "", "| design | " + " | ".join(names) + " |"]
        lines.append("|---|" + "---:|" * len(names))
        for row in filter(lambda row: row.metrics, rows):
            scores = (row.design, *(spell_metric(row.metrics.get(name)) for name in names))
            lines.append("| " + " | ".join(escape_markdown(cell, bare_brackets=True) for cell in scores) + " |")
    contrasts = [row for row in rows if row.detectable is not None]
    if contrasts:
        lines += ["", "## What this study could have seen", ""]
        lines += ["| design | better in one training | could see, points | takes |", "|---|---:|---:|---|"]
        for row in contrasts:
            cells = (row.design, *spell_power(row), row.needed or "–")
            lines.append("| " + " | ".join(escape_markdown(cell, bare_brackets=True) for cell in cells) + " |")
    lines += ["", "## Data", ""]
    lines += [f"- {name}: {escape_markdown(value)}" for name, value in data_card(summary.study)]
    lines += [f"- {escape_markdown(note)}" for note in notes(summary.study)]
    lines += ["", "## Reproduce", ""]
    lines += [f"- {name}: {escape_markdown(value)}" for name, value in origin(summary.study)]
    return "\n".join(lines) + "\n"


def known_costs(summary: StudySummary) -> dict[str, str]:
    """List the costs that were measured of any design, each with its heading."""
    return {name: title for name, title in COSTS.items() if any(name in costs for costs in summary.costs.values())}


def spell_declared(summary: StudySummary) -> str | None:
    """Return the sentence on the contrast that was declared beforehand; None where none was."""
    return next((detail for detail in summary.details if detail.startswith(DECLARED)), None)


def metric_names(summary: StudySummary) -> list[str]:
    """List the metrics that the designs were measured by, the headline first."""
    return list(dict.fromkeys(name for row in sort_rows(summary) for name in row.metrics))


def spell_metric(value: float | None) -> str:
    """Write a metric as it is: a fraction, or a number in the target's own unit."""
    return "–" if value is None else f"{value:.4g}" if abs(value) >= 1000 else f"{value:.4f}"


def sort_rows(summary: StudySummary) -> list[LeaderboardRow]:
    """Sort the designs by their mean, the best first."""
    return sorted(summary.rows, key=lambda row: row.rank)


def spell_mean(row: LeaderboardRow) -> str:
    """Write a mean with its interval in points: `98.4 [97.9, 98.8]`."""
    if row.ci_low is None or row.ci_high is None:
        return spell_points(row.mean)
    return f"{spell_points(row.mean)} [{spell_points(row.ci_low)}, {spell_points(row.ci_high)}]"


def spell_delta(row: LeaderboardRow) -> str:
    """Write the difference from the baseline with its interval in points: `+11.2 [+10.1, +12.4]`."""
    if row.delta is None:
        return "–"
    if row.delta_ci_low is None or row.delta_ci_high is None:
        return signed(row.delta)
    return f"{signed(row.delta)} [{signed(row.delta_ci_low)}, {signed(row.delta_ci_high)}]"


def spell_power(row: LeaderboardRow) -> tuple[str, str]:
    """Write how often one training is better than the baseline's, and the smallest difference that could be seen."""
    beats = "–" if row.beats is None else f"{100 * row.beats:.0f} %"
    return beats, "–" if row.detectable is None else spell_points(row.detectable)


def spell_cost(row: LeaderboardRow) -> tuple[str, str]:
    """Write parameters and training seconds."""
    seconds = f"{row.train_seconds:,.1f}" if row.train_seconds < 100 else f"{row.train_seconds:,.0f}"
    return f"{row.parameters:,}", seconds


def spell_big(value: float | None) -> str:
    """Write a large number short: `1.23 M`.

    >>> spell_big(1_234_567), spell_big(5.1e9), spell_big(4.256), spell_big(None)
    ('1.23 M', '5.10 G', '4.26', '–')
    """
    if value is None:
        return "–"
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g} {unit}" if value / limit >= 100 else f"{value / limit:.2f} {unit}"
    return f"{value:.3g}"


def signed(value: float) -> str:
    """Write a fraction in points with its sign, and a zero without: `+1.2`, `−0.4`, `0.0`."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def escape_markdown(text: str, bare_brackets: bool = False) -> str:
    """Escape what Markdown would read as markup, and keep it on one line.

    `bare_brackets` leaves square brackets alone where no link can follow, as in a table of intervals.
    """
    flat = re.sub(r"\s+", " ", text).replace("&", "&amp;")
    flat = re.sub(r"<(?=[A-Za-z/!?])", "&lt;", flat)
    return re.sub(r"([\\`*|])" if bare_brackets and "](" not in flat else r"([\\`*|\[\]])", r"\\\1", flat)


def _records(summary: StudySummary) -> list[dict[str, Any]]:
    study_columns = {"study_verdict": summary.verdict, "primary": spell_declared(summary)}
    records = []
    for row in (dataclasses.asdict(row) for row in sort_rows(summary)):
        metrics, all_costs = row.pop("metrics"), summary.costs.get(row["design"], {})
        costs = _finite({name: all_costs.get(name) for name in COSTS})
        records.append({**_finite(row), **costs, **study_columns, "metrics": _finite(metrics)})
    return records


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {name: finite(value) if isinstance(value, float) else value for name, value in values.items()}
