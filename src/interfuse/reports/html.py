"""The report: one self-contained HTML page. No request leaves the file."""

import json
import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from markupsafe import escape as escape_html

from interfuse.core.records import LeaderboardRow, StudySummary
from interfuse.reports.curves import gradient_plots, learning_plot, list_blocks
from interfuse.reports.facts import data_card, design_settings, key_figures, notes, origin
from interfuse.reports.figures import Figure, cost_plot, interval_plot
from interfuse.reports.formats import (
    metric_names,
    sort_rows,
    spell_cost,
    spell_delta,
    spell_mean,
    spell_metric,
    spell_p,
)
from interfuse.reports.styles import Look, choose_looks


def to_html(summary: StudySummary) -> str:
    """Render a study's report."""
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("interfuse.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    rows = sort_rows(summary)
    looks = choose_looks(rows)
    histories = {row.design: summary.histories[row.design] for row in rows if summary.histories.get(row.design)}
    blocks = list_blocks(histories)
    gradients = gradient_plots(histories, blocks)
    drawn = _draw(summary, rows, looks)
    common, own = design_settings(summary.study)
    context = {
        "summary": summary,
        "tone": _tone(summary.verdict),
        "source": str((summary.study.get("data") or {}).get("source", "study")),
        "metric": rows[0].metric if rows else "score",
        "figures_first": key_figures(summary.study, len(rows)),
        "rows": [_cells(row, looks[row.design]) for row in rows],
        "metric_names": metric_names(summary),
        "metrics": [
            (row.design, [spell_metric(row.metrics.get(name)) for name in metric_names(summary)])
            for row in rows
            if row.metrics
        ],
        "one_seed": any(row.seeds == 1 for row in rows),
        "looks": {row.design: looks[row.design] for row in rows if row.parameters or row.design in histories},
        "drawn": set(drawn),
        "blocks": [block.replace("_", " ") for block in blocks],
        "gradients": list(gradients),
        "embedded": _embed({**drawn, **{f"gradient-{n}": f for n, f in enumerate(gradients.values())}}),
        "plotly": get_plotlyjs(),
        "card": data_card(summary.study),
        "notes": notes(summary.study),
        "origin": origin(summary.study),
        "common": common,
        "own": own,
    }
    return environment.get_template("report.html.j2").render(context)


def _draw(summary: StudySummary, rows: list[LeaderboardRow], looks: dict[str, Look]) -> dict[str, Figure]:
    """Draw every figure that there is data for."""
    drawn = {}
    if rows:
        drawn["interval"] = interval_plot(rows, looks, float(summary.study.get("margin") or 0.0))
    sized = [row for row in rows if row.parameters > 0]
    if sized:
        drawn["parameters"] = cost_plot(sized, looks, [float(row.parameters) for row in sized], "trained parameters")
    timed = [row for row in rows if row.train_seconds > 0]
    if timed:
        drawn["seconds"] = cost_plot(timed, looks, [row.train_seconds for row in timed], "training seconds a run")
    histories = {row.design: summary.histories[row.design] for row in rows if summary.histories.get(row.design)}
    if histories:
        learning = learning_plot(histories, looks, rows[0].metric)
        drawn.update({"learning": learning} if learning["data"] else {})
    return drawn


def _cells(row: LeaderboardRow, look: Look) -> dict[str, Any]:
    """Give what the table shows of a design, and the values it sorts by."""
    parameters, seconds = spell_cost(row)
    mean, _, mean_interval = spell_mean(row).partition(" ")
    delta, _, delta_interval = spell_delta(row).partition(" ")
    return {
        "row": row,
        "look": look,
        "mean": (mean, mean_interval),
        "delta": (delta, delta_interval),
        "p": spell_p(row),
        "parameters": parameters,
        "seconds": seconds,
    }


def _tone(verdict: str) -> str:
    """Give the colour of the verdict's mark."""
    if verdict.startswith("Fusion beats"):
        return "good"
    return "bad" if verdict.startswith("Fusion loses") else "open"


def _breakable(name: str) -> Markup:
    """Escape a design's name and let its line break after a colon, an underscore or an equals sign."""
    return Markup("<wbr>").join(escape_html(part) for part in re.split(r"(?<=[:_=])", name))


def _embed(value: Any) -> str:
    """Write JSON that cannot end the script element it stands in."""
    text = json.dumps(value, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
