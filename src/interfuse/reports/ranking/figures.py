"""The figures of a ranking: each design's differences on every data set, and the diagram of critical differences."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from interfuse.core.ranking import RankedDesign, Ranking, RankTest
from interfuse.reports.ranking.tables import spell_difference, spell_new, spell_pooled
from interfuse.reports.styles import Look
from interfuse.reports.svg import Frame, Scale, axis_row, spread

ROW = 26
"""Height of a data set in a forest plot, in pixels."""
FLAT = Scale(0, 1)
ONE, ALL = Look("var(--soft)", "square"), Look("var(--accent)", "diamond")
"""A data set's own difference, and the pooled one."""
LEVEL, TOP, LABEL = 22, 46, 5
"""In the diagram of ranks: height of a design, where the axis is, and what its name is lifted by."""


@dataclass(frozen=True)
class ForestLine:
    """A line of a forest plot."""

    name: str
    plot: Markup
    text: str
    """The difference with its interval, in points."""
    weight: str
    """Share in the pooled difference; empty for that itself."""
    pooled: bool = False


@dataclass(frozen=True)
class Forest:
    """One design's forest plot."""

    design: RankedDesign
    lines: list[ForestLine]
    axis: Markup


def draw_forests(ranking: Ranking) -> list[Forest]:
    """Draw each design's differences from the baseline, all on one scale; floors only where nothing else is."""
    designs = [one for one in ranking.designs if one.pooled is not None]
    shown = [one for one in designs if one.role != "floor"] or designs
    scale = difference_scale(shown, ranking.margin)
    return [Forest(one, _lines(ranking, one, scale), axis_row(scale, "difference, points", 5)) for one in shown]


def difference_scale(designs: Sequence[RankedDesign], margin: float) -> Scale:
    """Return the range of the differences in points; one wide interval must not squeeze the others."""
    ends = [0.0, 160 * margin, -160 * margin]
    for one in designs:
        ends += [100 * own.delta for own in one.differences]
        if one.pooled is not None:
            ends += [100 * one.pooled.mean]
    slack = 1.5 * max(max(ends) - min(ends), 1.0)
    low, high = min(ends) - slack, max(ends) + slack
    bounds = [(own.low, own.high) for one in designs for own in one.differences]
    bounds += [(one.pooled.low, one.pooled.high) for one in designs if one.pooled is not None]
    ends += [min(max(100 * end, low), high) for pair in bounds for end in pair]
    return spread(ends, 0.05)


def draw_ranks(designs: Sequence[RankedDesign], test: RankTest) -> Markup:
    """Draw the average ranks on an axis, with a bar under designs that are not shown to differ.

    Names of the better half stand on the left, of the others on the right, each at a height of its own.
    """
    ranked = sorted((one for one in designs if one.rank is not None), key=lambda one: one.rank or 0.0)
    places = {one.design: one.rank or 0.0 for one in ranked}
    bars = TOP + 14 * (len(test.groups) + 1)
    height = bars + LEVEL * len(ranked) + 4
    frame = Frame(Scale(1, len(ranked)), FLAT, height)
    frame.add('<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>', TOP)
    for tick in range(1, len(ranked) + 1):
        at = frame.across(tick)
        frame.add('<line class="axis" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>', at, TOP - 5, TOP)
        frame.add('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>', at, TOP - 10, tick)
    _draw_width(frame, test.critical_difference, len(ranked))
    half = (len(ranked) + 1) // 2
    order = [*ranked[:half], *reversed(ranked[half:])]
    for level, one in enumerate(order):
        down, left = bars + LEVEL * (level + 1), level < half
        at, edge = frame.across(places[one.design]), "0%" if left else "100%"
        text = f"{one.design} {places[one.design]:.2f}"
        frame.add('<line class="rank-stem" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>', at, TOP, down)
        frame.add('<line class="rank-stem" x1="{}" x2="{}" y1="{}" y2="{}"/>', edge, at, down, down)
        anchor = "start" if left else "end"
        frame.add('<text class="rank-name" x="{}" y="{}" text-anchor="{}">{}</text>', edge, down - LABEL, anchor, text)
    for level, group in enumerate(test.groups):
        down = TOP + 14 * (level + 1)
        first, last = (frame.across(end) for end in (places[group[0]], places[group[-1]]))
        frame.add(
            '<line class="rank-group" x1="{}" x2="{}" y1="{}" y2="{}"><title>{}</title></line>',
            *(first, last, down, down, f"not shown to differ: {', '.join(group)}"),
        )
    return frame.close("Average ranks of the designs, and which are not shown to differ", left=6, foot=4)


def _draw_width(frame: Frame, width: float, designs: int) -> None:
    """Draw the critical difference as a length above the axis; one longer than the axis ends in an arrow."""
    end = min(1 + width, designs)
    arrow = " ▸" if end < 1 + width else ""
    frame.add('<line class="rank-width" x1="{}" x2="{}" y1="{}" y2="{}"/>', frame.across(1), frame.across(end), 18, 18)
    for at in (1, end):
        frame.add('<line class="rank-width" x1="{0}" x2="{0}" y1="14" y2="22"/>', frame.across(at))
    text = f"critical difference {width:.2f}{arrow}"
    frame.add('<text class="tick" x="{}" y="9">{}</text>', frame.across(1), text)


def _lines(ranking: Ranking, one: RankedDesign, scale: Scale) -> list[ForestLine]:
    assert one.pooled is not None
    margin, lines = 100 * ranking.margin, []
    for data_set, own, weight in zip(ranking.data_sets, one.differences, one.pooled.weights, strict=True):
        frame = _start(scale, margin)
        _whisker(frame, own.low, own.high, ONE)
        text = spell_difference(own)
        _mark(frame, own.delta, ONE, f"{data_set.name}: {text}")
        lines.append(ForestLine(data_set.name, frame.row(), text, f"{100 * weight:.0f} %"))
    frame = _start(scale, margin)
    if one.pooled.new_low is not None and one.pooled.new_high is not None:
        low, high = (_clip(scale, end) for end in (one.pooled.new_low, one.pooled.new_high))
        title = f"on a new data set {spell_new(one.pooled)}"
        frame.add(
            '<line class="foreseen" x1="{}" x2="{}" y1="{}" y2="{}"><title>{}</title></line>',
            *(frame.across(low), frame.across(high), ROW / 2, ROW / 2, title),
        )
    _whisker(frame, one.pooled.low, one.pooled.high, ALL, "pooled")
    text = spell_pooled(one.pooled)
    _mark(frame, one.pooled.mean, ALL, f"over data sets: {text}")
    lines.append(ForestLine("over data sets", frame.row(), text, "", pooled=True))
    return lines


def _start(scale: Scale, margin: float) -> Frame:
    frame = Frame(scale, FLAT, ROW)
    frame.margin(margin)
    return frame


def _whisker(frame: Frame, low: float, high: float, look: Look, style: str = "") -> None:
    start, end = (frame.across(_clip(frame.x, value)) for value in (low, high))
    frame.add(
        '<line class="whisker {}" x1="{}" x2="{}" y1="{}" y2="{}" stroke="{}"/>',
        *(style, start, end, ROW / 2, ROW / 2, look.colour),
    )


def _mark(frame: Frame, value: float, look: Look, title: str) -> None:
    frame.marker(_clip(frame.x, value), 0.5, look, title)


def _clip(scale: Scale, value: float) -> float:
    """Return a fraction in points, within the scale."""
    return min(max(100 * value, scale.low), scale.high)
