"""A study's leaderboard as JSON, Markdown and CSV."""

import csv
import io
import json

from interfuse.core.records import LeaderboardRow, StudySummary


def to_json(summary: StudySummary) -> str:
    """Give the leaderboard as a JSON list of objects; fractions 0 to 1, seconds, null where there is no value."""
    return json.dumps(summary.leaderboard(), indent=2, ensure_ascii=False, allow_nan=False)


def to_csv(summary: StudySummary) -> str:
    """Give the leaderboard as CSV with the columns of the JSON objects."""
    rows = summary.leaderboard()
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]) if rows else [])
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def to_markdown(summary: StudySummary) -> str:
    """Give verdict and leaderboard as Markdown, in points."""
    lines = [f"**{summary.verdict}**", "", *[f"{detail}  " for detail in summary.details], ""]
    metric = summary.rows[0].metric if summary.rows else "score"
    lines.append(f"| design | {metric} (95 % CI) | Δ baseline (95 % CI) | verdict | parameters | seconds |")
    lines.append("|---|---:|---:|---|---:|---:|")
    for row in summary.rows:
        cells = (
            row.design,
            spell_mean(row),
            spell_delta(row),
            row.verdict,
            f"{row.parameters:,}",
            f"{row.train_seconds:.1f}",
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def spell_mean(row: LeaderboardRow) -> str:
    """Write a mean with its interval in points: `98.4 [97.9, 98.8]`."""
    if row.ci_low is None or row.ci_high is None:
        return f"{100 * row.mean:.1f}"
    return f"{100 * row.mean:.1f} [{100 * row.ci_low:.1f}, {100 * row.ci_high:.1f}]"


def spell_delta(row: LeaderboardRow) -> str:
    """Write the difference from the baseline with its interval in points: `+11.2 [+10.1, +12.4]`."""
    if row.delta is None or row.delta_ci_low is None or row.delta_ci_high is None:
        return "–"
    low, high = 100 * row.delta_ci_low, 100 * row.delta_ci_high
    return f"{100 * row.delta:+.1f} [{low:+.1f}, {high:+.1f}]".replace("-", "−")
