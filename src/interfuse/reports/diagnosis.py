"""A diagnosis as text, Markdown, JSON and one self-contained page. No request leaves the page."""

import json
from collections.abc import Mapping

from interfuse.core.diagnosis import Diagnosis, Measure, Value
from interfuse.core.outside import printable
from interfuse.reports.formats import escape_markdown
from interfuse.reports.maps import is_jpeg
from interfuse.reports.overlay import Illustration
from interfuse.reports.styles import open_templates

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 360, 190, 40, 14, 26, 8
"""Of a curve's drawing, in pixels."""


def diagnosis_to_json(diagnosis: Diagnosis) -> str:
    """Return the record as JSON; fractions 0 to 1."""
    return json.dumps(diagnosis.plain(), indent=2, ensure_ascii=False, allow_nan=False)


def diagnosis_to_text(diagnosis: Diagnosis) -> str:
    """Return the diagnosis for a terminal: headline, then each measure with its numbers."""
    lines = [diagnosis.verdict, "", about(diagnosis)]
    lines += [f"Note: {note}" for note in diagnosis.notes]
    for measure in diagnosis.measures:
        lines += ["", f"{measure.title}  ({measure.rows:,} rows)", f"  {measure.verdict}"]
        width = max((len(value.name) for value in measure.values), default=0)
        lines += [f"    {value.name:<{width}}  {spell_value(value)}" for value in measure.values]
        lines += [f"  Doubt: {note}" for note in measure.notes]
    lines += ["", f"Intervals are for this one trained model. {diagnosis.seconds:.1f} s."]
    return printable("\n".join(lines), lines=True)


def diagnosis_to_markdown(diagnosis: Diagnosis) -> str:
    """Return the diagnosis as Markdown."""
    lines = [f"**{escape_markdown(diagnosis.verdict)}**", "", escape_markdown(about(diagnosis)), ""]
    lines += [f"- {escape_markdown(note)}" for note in diagnosis.notes]
    for measure in diagnosis.measures:
        lines += ["", f"## {measure.title}", "", f"{escape_markdown(measure.verdict)} ({measure.rows:,} rows)", ""]
        lines += [f"*{escape_markdown(measure.meaning)}*", ""]
        if measure.values:
            lines += ["| | |", "|---|---:|"]
            lines += [
                f"| {escape_markdown(v.name)} | {escape_markdown(spell_value(v), True)} |" for v in measure.values
            ]
        lines += [f"\n> {escape_markdown(note)}" for note in measure.notes]
    return "\n".join(lines) + "\n"


def diagnosis_to_html(diagnosis: Diagnosis, illustrations: Mapping[int, Illustration] | None = None) -> str:
    """Render the page; `illustrations` by row number in the source."""
    environment = open_templates()
    environment.filters |= {"spell_value": spell_value, "is_jpeg": is_jpeg}
    by_row = illustrations or {}
    return environment.get_template("diagnosis.html.j2").render(
        diagnosis=diagnosis,
        about=about(diagnosis),
        tone=_tone(diagnosis.verdict),
        examples=[(example, by_row.get(example.row, Illustration())) for example in diagnosis.examples],
        curves={measure.key: draw_curves(measure) for measure in diagnosis.measures if measure.curves},
        frame={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "bottom": BOTTOM, "top": TOP},
    )


def about(diagnosis: Diagnosis) -> str:
    """Return what was diagnosed: design, seed, source and split."""
    return f"{diagnosis.design} (seed {diagnosis.seed}) on {diagnosis.source}, {diagnosis.split} rows"


def spell_value(value: Value) -> str:
    """Write a number in its unit, with its interval: `+4.1 [2.0, 6.2] points`."""
    if value.unit in ("points", "share"):
        scale, digits, unit = 100.0, 1, " points" if value.unit == "points" else " %"
    else:
        scale, digits, unit = 1.0, 3 if value.unit else 2, f" {value.unit}" if value.unit else ""
    number = _number(scale * value.value, digits)
    if value.name.startswith("cells"):
        return f"{value.value:.0f}"
    if value.low is None or value.high is None:
        return f"{number}{unit}"
    return f"{number} [{_number(scale * value.low, digits)}, {_number(scale * value.high, digits)}]{unit}"


def draw_curves(measure: Measure) -> list[dict[str, str]]:
    """Return each curve of a measure as an SVG path in a frame from 0 to 1 either way."""
    curves = []
    for number, (name, points) in enumerate(measure.curves.items()):
        places = [
            (LEFT + x * (WIDTH - LEFT - RIGHT), TOP + (1 - min(max(y, 0.0), 1.0)) * (HEIGHT - TOP - BOTTOM))
            for x, y in sorted(points)
        ]
        path = " ".join(f"{'L' if at else 'M'}{x:.1f} {y:.1f}" for at, (x, y) in enumerate(places))
        curves.append({"name": name, "path": path, "colour": f"var(--series-{number % 8})"})
    return curves


def _tone(verdict: str) -> str:
    """Return the colour of the verdict's mark."""
    if verdict.startswith("Multimodal") and "says otherwise" not in verdict:
        return "good"
    return "bad" if verdict.startswith(("Unimodal", "Neither")) else "open"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")
