"""The rows as a dry run saw them, as one self-contained page, on the terminal, and as JSON."""

import dataclasses
import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from interfuse.core.inspection import LEVELS, Inspection, Spread
from interfuse.core.outside import printable
from interfuse.reports.styles import open_templates

SHOWN = 40
"""Most classes that the page lists."""
HEADINGS = ("least", "5 %", "25 %", "median", "75 %", "95 %", "largest")
assert len(HEADINGS) == len(LEVELS)


def inspection_to_json(inspection: Inspection) -> str:
    """Return all of it as JSON, thumbnails left out."""
    plain = dataclasses.asdict(inspection)
    for sample in plain["samples"]:
        del sample["thumbnail"]
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)


def inspection_to_html(inspection: Inspection) -> str:
    """Render the page."""
    environment = open_templates()
    labels = _bars(inspection)
    context = {
        "inspection": inspection,
        "total": sum(inspection.rows.values()),
        "parts": list(inspection.rows),
        "labels": labels[:SHOWN],
        "hidden": len(labels) - len(labels[:SHOWN]),
        "headings": HEADINGS,
        "spreads": [(name, _spell_spread(spread)) for name, spread in _spreads(inspection)],
        "missing": _missing(inspection),
        "headline": _headline(inspection),
    }
    return environment.get_template("inspection.html.j2").render(context)


def print_inspection(inspection: Inspection, console: Console) -> None:
    """Print a summary; control characters of texts do not reach the terminal."""
    total = sum(inspection.rows.values())

    def say(text: str, style: str = "") -> None:
        console.print(Text(printable(text), style=style))

    say(_headline(inspection), "bold")
    split = ", ".join(f"{count:,} {part}" for part, count in inspection.rows.items())
    say(f"Rows: {total:,} ({split}) in {inspection.groups:,} groups that stay together.")
    for modality, cells in _missing(inspection):
        say(f"Rows without {modality}: {', '.join(cells)}.")
    if inspection.labels:
        entries = list(inspection.labels.items())
        counts = [f"{name} {sum(by.values()):,}" for name, by in entries[:8]]
        more = f", and {len(entries) - 8:,} more" if len(entries) > 8 else ""
        say(f"Labels: {', '.join(counts)}{more}.")
    if inspection.unlabelled:
        say(f"Rows with an empty label set: {inspection.unlabelled:,}.")
    spreads = _spreads(inspection)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, spread in spreads:
        table.add_row(name, *_spell_spread(spread))
    if spreads:
        console.print(table)
    for leak in inspection.leaks:
        style = "" if leak.what == "text" else "bold red"
        say(f"In two splits or more: {leak.items:,} × {leak.shared} ({leak.rows:,} rows; {leak.example}).", style)
    if not inspection.leaks:
        say("No picture and no text stands in two splits.")
    for warning in inspection.warnings:
        say(f"warning: {warning}", "yellow")
    if inspection.trouble_count:
        say(f"Rows in trouble: {inspection.trouble_count:,}. The first: {inspection.troubles[0]}")


def _headline(inspection: Inspection) -> str:
    classes = f", {len(inspection.labels):,} classes" if inspection.labels else ""
    return (
        f"{inspection.source}: {inspection.task}{classes}; {inspection.pictures:,} distinct pictures, "
        f"{inspection.texts:,} distinct texts."
    )


def _missing(inspection: Inspection) -> list[tuple[str, list[str]]]:
    return [
        (modality, [f"{part} {count:,} ({100 * count / inspection.rows[part]:.1f} %)" for part, count in by.items()])
        for modality, by in inspection.missing.items()
    ]


def _spreads(inspection: Inspection) -> list[tuple[str, Spread]]:
    names = {"width": "picture width, px", "height": "picture height, px", "bytes": "picture file, bytes"}
    spreads = [(names[name], spread) for name, spread in inspection.sizes.items()]
    spreads += [(f"text length, {name}", spread) for name, spread in inspection.lengths.items()]
    return spreads + [(f"number to predict, {part}", spread) for part, spread in inspection.target.items()]


def _spell_spread(spread: Spread) -> list[str]:
    return [f"{v:,.0f}" if float(v).is_integer() or abs(v) >= 1000 else f"{v:.3g}" for v in spread.quantiles]


def _bars(inspection: Inspection) -> list[dict[str, Any]]:
    """Return each class its count and share in every split."""
    bars = []
    for name, by_part in inspection.labels.items():
        shares = {part: count / max(inspection.rows[part], 1) for part, count in by_part.items()}
        bars.append({"name": name, "count": sum(by_part.values()), "by_part": by_part, "shares": shares})
    return bars
