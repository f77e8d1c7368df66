"""The report: one self-contained HTML page. No request leaves the file, and its figures need no script."""

import re
from dataclasses import replace
from typing import Any

from markupsafe import Markup
from markupsafe import escape as escape_html

from interfuse.core.records import LeaderboardRow, StudySummary
from interfuse.core.tasks import HEADLINES
from interfuse.evaluation import spell_p
from interfuse.reports.curves import draw_expected, draw_learning, find_curves
from interfuse.reports.facts import (
    FIRST,
    data_card,
    design_settings,
    key_figures,
    notes,
    origin,
    spell_folds,
    spell_scope,
)
from interfuse.reports.figures import draw_cost, draw_forest, draw_use
from interfuse.reports.formats import (
    metric_names,
    sort_rows,
    spell_big,
    spell_cost,
    spell_delta,
    spell_mean,
    spell_metric,
    spell_power,
)
from interfuse.reports.gallery import fill_shelves
from interfuse.reports.health import examine_histories, find_use, spell_part
from interfuse.reports.maps import is_jpeg
from interfuse.reports.pairs import build_matrix, spell_contrast, spell_pair_p
from interfuse.reports.rows import class_table, leak_facts, split_table
from interfuse.reports.styles import Look, choose_looks, open_templates
from interfuse.reports.tuned import expected_lines

COSTS = {
    "flops": ("FLOPs", "FLOPs a row", 1.0),
    "latency_ms": ("ms a row", "latency of one row, ms", 1.0),
    "memory_mb": ("MB", "memory, MB", 1.0),
}
"""Optional cost to its heading, what its axis says, and its factor."""


def to_html(summary: StudySummary) -> str:
    """Render a study's report."""
    environment = open_templates()
    environment.filters["is_jpeg"] = is_jpeg
    environment.filters |= {"breakable": _breakable, "part": spell_part, "contrast": spell_contrast, "p": spell_pair_p}
    rows = sort_rows(summary)
    looks = choose_looks(rows)
    context = {
        "summary": summary,
        "power": [(row, *spell_power(row)) for row in rows if row.detectable is not None],
        "tone": _tone(summary.verdict),
        "source": str((summary.study.get("data") or {}).get("source", "study")),
        "metric": _metric(rows),
        "watched": HEADLINES.get(_task(summary), _metric(rows)),
        "scope": spell_scope(summary.study),
        "looks": looks,
        **_leaderboard(summary, rows, looks),
        **_training(summary, rows, looks),
        "matrix": build_matrix(
            summary.pairs, [r.design for r in rows if _is_paired(summary, r)], _metric(rows), summary.alpha
        ),
        "shelves": fill_shelves(summary.examples, summary.diagnoses, _task(summary) == "regression"),
        "fusion_shown": next((example["design"] for example in summary.examples), None),
        **_origin(summary, len(rows)),
    }
    return environment.get_template("report.html.j2").render(context)


def _leaderboard(summary: StudySummary, rows: list[LeaderboardRow], looks: dict[str, Look]) -> dict[str, Any]:
    """Return the table, the interval plot, and the score against every cost that is known."""
    costs = {row.design: _costs(summary, row) for row in rows}
    extra_costs = [name for name in COSTS if any(name in costs[row.design] for row in rows)]
    plots, plot_designs = [], set()
    axes = {"parameters": "trained parameters", "flops": COSTS["flops"][1], "seconds": "training seconds a run"}
    for name, title in axes.items():
        values = {row.design: costs[row.design][name] for row in rows if costs[row.design].get(name, 0) > 0}
        if values:
            plot_designs |= set(values)
            plots.append(draw_cost([row for row in rows if row.design in values], looks, values, title))
    margin = float(summary.study.get("margin") or 0.0)
    names = metric_names(summary)
    return {
        "rows": [_cells(row, looks[row.design], costs[row.design], extra_costs) for row in rows],
        "more_costs": [COSTS[name][0] for name in extra_costs],
        "forest": draw_forest(rows, looks, margin) if rows else None,
        "cost_plots": plots,
        "plotted": {design: look for design, look in looks.items() if design in plot_designs},
        "metric_names": names,
        "metrics": [(r.design, [spell_metric(r.metrics.get(n)) for n in names], r.metrics) for r in rows if r.metrics],
    }


def _training(summary: StudySummary, rows: list[LeaderboardRow], looks: dict[str, Look]) -> dict[str, Any]:
    """Return learning curves, health, the use of the modalities and the tuning curve."""
    histories = {row.design: summary.histories[row.design] for row in rows if summary.histories.get(row.design)}
    uses = {design: find_use(history) for design, history in histories.items()}
    designs = {row.design for row in rows}
    lines = {design: values for design, values in expected_lines(summary.study).items() if design in designs}
    baseline = next((row.design for row in rows if row.baseline), None)
    tuned_by = (summary.study.get("tuning") or {}).get("metric") or _metric(rows)
    return {
        "learning": draw_learning(find_curves(histories), looks, baseline),
        "health": examine_histories(histories),
        "uses": {design: (draw_use(*use), use) for design, use in uses.items() if use is not None},
        "tuned_by": tuned_by,
        "expected": draw_expected(lines, looks, tuned_by) if rows else None,
    }


def _origin(summary: StudySummary, designs: int) -> dict[str, Any]:
    """Return the data card and what reproduces the study."""
    common, own = design_settings(summary.study)
    data = summary.study.get("data") or {}
    splits, classes = split_table(data), class_table(data)
    by_split = [f"{split} rows" for split in (splits.splits if splits else ())]
    if spell_folds(summary.study):
        by_split = [f"{name}, {FIRST}" for name in by_split]
        splits = splits and replace(splits, splits=[f"{split}, {FIRST}" for split in splits.splits])
        classes = classes and replace(classes, splits=[f"{split}, {FIRST}" for split in classes.splits])
    return {
        "figures_first": key_figures(summary.study, designs),
        "card": [
            (name, text.partition(" (")[0] if classes and name == "classes" else text)
            for name, text in data_card(summary.study)
            if name not in by_split
            and not (data.get("missing") and name in ("rows without a picture", "rows without a text"))
        ],
        "splits": splits,
        "classes": classes,
        "leaks": leak_facts(data),
        "quarantine": list((data.get("quarantine") or {}).items()),
        "notes": notes(summary.study),
        "origin": origin(summary.study),
        "common": common,
        "own": own,
    }


def _metric(rows: list[LeaderboardRow]) -> str:
    return rows[0].metric if rows else "score"


def _task(summary: StudySummary) -> str:
    return str((summary.study.get("data") or {}).get("task"))


def _is_paired(summary: StudySummary, row: LeaderboardRow) -> bool:
    return any(row.design in (contrast.first, contrast.second) for contrast in summary.pairs)


def _costs(summary: StudySummary, row: LeaderboardRow) -> dict[str, float]:
    """Gather what a design costs, as far as it was measured."""
    costs = {"parameters": float(row.parameters), "seconds": row.train_seconds}
    for name, (_, _, factor) in COSTS.items():
        value = getattr(row, name, None)
        value = summary.costs.get(row.design, {}).get(name) if value is None else value
        if value is not None:
            costs[name] = factor * float(value)
    return costs


def _cells(row: LeaderboardRow, look: Look, costs: dict[str, float], extra_costs: list[str]) -> dict[str, Any]:
    """Return what the table shows of a design, and the values it sorts by."""
    parameters, seconds = spell_cost(row)
    mean, _, mean_interval = spell_mean(row).partition(" ")
    delta, _, delta_interval = spell_delta(row).partition(" ")
    return {
        "row": row,
        "look": look,
        "mean": (mean, mean_interval),
        "delta": (delta, delta_interval),
        "p": spell_p(row.p_holm),
        "parameters": parameters,
        "seconds": seconds,
        "more": [(spell_big(costs.get(name)), costs.get(name, "")) for name in extra_costs],
    }


def _tone(verdict: str) -> str:
    """Return the colour of the verdict's mark."""
    if verdict.startswith("Fusion beats"):
        return "good"
    return "bad" if verdict.startswith("Fusion loses") else "open"


def _breakable(name: str) -> Markup:
    """Escape a design's name and let its line break after a colon, an underscore or an equals sign."""
    return Markup("<wbr>").join(escape_html(part) for part in re.split(r"(?<=[:_=])", name))
