"""The figures of the leaderboard: means and differences with their intervals, and scores against costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from interfuse.core.records import LeaderboardRow
from interfuse.evaluation import spell_points
from interfuse.reports.formats import spell_delta, spell_mean
from interfuse.reports.styles import Look
from interfuse.reports.svg import Frame, Scale, axis_row, spread, ticks_of

ROW = 30
"""Height of a design in the interval plot, in pixels."""
FLAT = Scale(0, 1)


@dataclass(frozen=True)
class ForestRow:
    """One design of the interval plot: its mean and its difference from the baseline."""

    design: str
    look: Look
    mean: Markup
    delta: Markup


@dataclass(frozen=True)
class Forest:
    """The interval plot: a row a design, and the two axes below."""

    rows: list[ForestRow]
    mean_axis: Markup
    delta_axis: Markup


def draw_forest(rows: Sequence[LeaderboardRow], looks: Mapping[str, Look], margin: float) -> Forest:
    """Draw mean and difference from the baseline of every design with their 95 % intervals, the best on top."""
    means, deltas = mean_scale(rows), delta_scale(rows, margin)
    forest_rows = [
        ForestRow(row.design, looks[row.design], _mean(row, means, looks), _delta(row, deltas, looks, 100 * margin))
        for row in rows
    ]
    metric = rows[0].metric if rows else "score"
    return Forest(
        forest_rows, axis_row(means, f"{metric} on test, points", 4), axis_row(deltas, "difference, points", 4)
    )


def draw_cost(
    rows: Sequence[LeaderboardRow], looks: Mapping[str, Look], costs: Mapping[str, float], title: str
) -> Markup:
    """Draw score with its interval against a cost; the axis is logarithmic where the costs span a factor of ten."""
    values = [costs[row.design] for row in rows]
    wide = min(values) > 0 and max(values) >= 10 * min(values)
    x = Scale(min(values) / 1.35, max(values) * 1.35, True) if wide else Scale(0, 1.08 * max(values))
    frame = Frame(x, spread(_ends(rows)), 210)
    frame.grid(ticks_of(frame.y))
    frame.axis(ticks_of(frame.x, 5), title)
    for row in reversed(rows):
        cost, look = costs[row.design], looks[row.design]
        if row.ci_low is not None and row.ci_high is not None:
            frame.whisker((cost, 100 * row.ci_low), (cost, 100 * row.ci_high), look, row.design)
        frame.marker(cost, 100 * row.mean, look, f"{row.design}: {spell_mean(row)}, {cost:,.4g} {title}", row.design)
    return frame.close(f"Score against {title}")


def draw_use(image: tuple[float, float, float], text: tuple[float, float, float]) -> Markup:
    """Draw how far image and text move the prediction, 0 to 1: a bar each, the range over seeds on it."""
    frame = Frame(Scale(0, 1), FLAT, 34)
    for value in (0.25, 0.5, 0.75, 1.0):
        frame.add('<line class="grid" x1="{0}" x2="{0}" y1="0" y2="34"/>', frame.across(value))
    for down, name, (mean, low, high) in ((3, "image", image), (18, "text", text)):
        seeds = f"(seeds {spell_points(low)} to {spell_points(high)})"
        title = f"another row's {name} moves the prediction by {spell_points(mean)} of 100 {seeds}"
        frame.add(
            '<rect class="use {}" x="0" y="{}" width="{}" height="12" rx="1.5"><title>{}</title></rect>',
            *(name, down, frame.across(mean), title),
        )
        if high - low > 0.005:
            middle = down + 6
            frame.add(
                '<line class="range" x1="{}" x2="{}" y1="{}" y2="{}"/>',
                *(frame.across(low), frame.across(high), middle, middle),
            )
    return frame.row()


def mean_scale(rows: Sequence[LeaderboardRow]) -> Scale:
    """Return the range of the means, in points; a floor more than two spans below the others must not squeeze them."""
    contenders = [row for row in rows if row.verdict != "floor"] or list(rows)
    low, high = min(_ends(contenders)), max(_ends(contenders))
    slack = 2 * max(high - low, 1.0)
    near = [row for row in rows if low - slack <= 100 * row.mean <= high + slack]
    return spread(_ends(near))


def delta_scale(rows: Sequence[LeaderboardRow], margin: float) -> Scale:
    """Return the range of the differences that are judged, in points; a floor far away must not squeeze them."""
    contenders = [row for row in rows if row.delta is not None and row.verdict != "floor"]
    differing = contenders or [row for row in rows if row.delta is not None]
    ends = [0.0, 160 * margin, -160 * margin]
    for row in differing:
        ends += [100 * end for end in (row.delta, row.delta_ci_low, row.delta_ci_high) if end is not None]
    return spread(ends, 0.08) if max(ends) > min(ends) else Scale(-1, 1)


def _mean(row: LeaderboardRow, scale: Scale, looks: Mapping[str, Look]) -> Markup:
    frame = _guided(scale)
    look = looks[row.design]
    if not scale.low <= 100 * row.mean <= scale.high:
        return _edge(frame, row.mean)
    if row.ci_low is not None and row.ci_high is not None:
        frame.whisker((100 * row.ci_low, 0.5), (100 * row.ci_high, 0.5), look)
    frame.marker(100 * row.mean, 0.5, look, f"{row.design}: {spell_mean(row)}")
    return frame.row()


def _delta(row: LeaderboardRow, scale: Scale, looks: Mapping[str, Look], margin: float) -> Markup:
    frame = Frame(scale, FLAT, ROW)
    frame.margin(margin)
    if row.delta is None:
        frame.add('<text class="tick" x="{}" y="{}" dx="8" dy=".34em">baseline</text>', frame.across(0), ROW / 2)
        frame.marker(0, 0.5, looks[row.design], f"{row.design}: the baseline")
        return frame.row()
    delta, look = 100 * row.delta, looks[row.design]
    if not scale.low <= delta <= scale.high:
        return _edge(frame, row.delta)
    if row.delta_ci_low is not None and row.delta_ci_high is not None:
        low, high = max(100 * row.delta_ci_low, scale.low), min(100 * row.delta_ci_high, scale.high)
        frame.whisker((low, 0.5), (high, 0.5), look)
    frame.marker(delta, 0.5, look, f"{row.design}: {spell_delta(row)}, {row.verdict}")
    return frame.row()


def _edge(frame: Frame, value: float) -> Markup:
    """Draw a value that lies outside the scale, at the edge where it would be."""
    below = 100 * value < frame.x.low
    text = f"◂ {spell_points(value)}" if below else f"{spell_points(value)} ▸"
    where, anchor = ("0.5%", "start") if below else ("99.5%", "end")
    frame.add(
        '<text class="tick edge" x="{}" y="{}" dy=".34em" text-anchor="{}">{}</text>', where, ROW / 2, anchor, text
    )
    return frame.row()


def _ends(rows: Sequence[LeaderboardRow]) -> list[float]:
    return [100 * end for row in rows for end in (row.mean, row.ci_low, row.ci_high) if end is not None]


def _guided(scale: Scale) -> Frame:
    frame = Frame(scale, FLAT, ROW)
    for value, _ in ticks_of(scale, 4):
        frame.add('<line class="grid" x1="{0}" x2="{0}" y1="0" y2="{1}"/>', frame.across(value), ROW)
    return frame
