"""The report: one self-contained HTML page. No request leaves the file."""

import json
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from interfuse.core.records import StudySummary
from interfuse.reports.figures import figures
from interfuse.reports.formats import spell_delta, spell_mean

TITLES = {
    "interval": (
        "How good, how sure",
        "Mean test score of each design with its 95 % interval over examples and seeds.",
    ),
    "parameters": ("Against size", "Is the gain worth its parameters?"),
    "seconds": ("Against time", "Is the gain worth its training time?"),
    "learning": ("Learning", "Validation score; the line is the mean over seeds, the band their range."),
    "gradients": (
        "Gradients",
        "Norm of each block's gradient, best design: a block far below the others learns little.",
    ),
}


def to_html(summary: StudySummary) -> str:
    """Render a study's report."""
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader("interfuse.reports", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    drawn = figures(summary)
    return environment.get_template("report.html.j2").render(
        summary=summary,
        rows=[(row, spell_mean(row), spell_delta(row)) for row in summary.rows],
        titles={name: TITLES[name] for name in drawn},
        figures=_embed(drawn),
        plotly=get_plotlyjs(),
        card=data_card(summary.study),
        origin=origin(summary.study),
        notes=summary.study.get("data", {}).get("notes", []),
    )


def data_card(study: dict[str, Any]) -> list[tuple[str, str]]:
    """List what the rows are."""
    data = study.get("data", {})
    rows = data.get("rows", {})
    card = [
        ("source", data.get("source")),
        ("task", data.get("task")),
        ("classes", len(data["label_names"]) if "label_names" in data else None),
        *((f"{split} rows", count) for split, count in rows.items()),
        ("groups (rows that stay together)", data.get("groups")),
        ("rows without a picture", data.get("missing_images")),
        ("rows without a text", data.get("missing_texts")),
        ("rows in trouble", data.get("troubles")),
    ]
    return [(name, f"{value:,}" if isinstance(value, int) else str(value)) for name, value in card if value is not None]


def origin(study: dict[str, Any]) -> list[tuple[str, str]]:
    """List what reproduces the study."""
    machine, seconds = study.get("machine", {}), study.get("seconds", {})
    facts = [
        ("command", study.get("command")),
        ("versions", ", ".join(f"{name} {value}" for name, value in study.get("versions", {}).items())),
        ("seeds", ", ".join(str(seed) for seed in study.get("seeds", []))),
        ("data fingerprint", study.get("data", {}).get("fingerprint")),
        ("machine", ", ".join(f"{name} {value}" for name, value in machine.items())),
        ("seconds", ", ".join(f"{name} {value:.0f}" for name, value in seconds.items())),
        ("made", study.get("created")),
    ]
    return [(name, str(value)) for name, value in facts if value]


def _embed(value: Any) -> str:
    """Write JSON that cannot end the script element it stands in."""
    text = json.dumps(value, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
