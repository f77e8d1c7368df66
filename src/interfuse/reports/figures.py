"""The figures of the leaderboard as plain Plotly traces; the page gives them its colours, light or dark."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from interfuse.core.records import LeaderboardRow
from interfuse.reports.styles import Look, escape, label

Figure = dict[str, Any]
ROW_HEIGHT = 40
"""Pixels a design takes in the interval plot."""


def interval_plot(rows: Sequence[LeaderboardRow], looks: Mapping[str, Look], margin: float) -> Figure:
    """Mean and difference from the baseline of every design with their 95 % intervals, the best on top."""
    places = list(range(len(rows), 0, -1))
    means = [_mean_trace(row, place, looks[row.design]) for row, place in zip(rows, places, strict=True)]
    deltas = []
    low, high = _delta_range(rows, margin)
    outside = []
    for row, place in zip(rows, places, strict=True):
        if row.delta is None:
            continue
        if low <= 100 * row.delta <= high:
            deltas.append(_delta_trace(row, place, looks[row.design]))
        else:
            outside.append(_edge_note(100 * row.delta, place))
    ticks: Figure = {"tickvals": places, "ticktext": [label(row.design) for row in rows]}
    axis_y = {**ticks, "range": [0.4, len(rows) + 0.6], "showgrid": False, "zeroline": False}
    metric = rows[0].metric if rows else "score"
    height = 70 + ROW_HEIGHT * len(rows)
    common = {
        "xaxis": {"title": {"text": f"{escape(metric)} on test, points"}, "zeroline": False},
        "xaxis2": {"title": {"text": "difference from the baseline, points"}, "range": [low, high], "anchor": "y2"},
        "shapes": _guides(len(rows), 100 * margin),
        "annotations": outside,
        "showlegend": False,
    }
    wide = {"xaxis": {"domain": [0, 0.485]}, "xaxis2": {"domain": [0.515, 1]}, "height": height}
    upper = (height - 20) / (2 * height)
    return {
        "data": means + deltas,
        "layout": {**common, "yaxis": axis_y, "yaxis2": {**axis_y, "showticklabels": False}},
        "wide": wide,
        "narrow": {
            "xaxis": {"domain": [0, 1]},
            "xaxis2": {"domain": [0, 1]},
            "yaxis": {"domain": [1 - upper, 1]},
            "yaxis2": {"domain": [0, upper - 50 / height], "showticklabels": True},
            "height": 2 * height,
        },
    }


def cost_plot(rows: Sequence[LeaderboardRow], looks: Mapping[str, Look], costs: Sequence[float], title: str) -> Figure:
    """Score with its interval against a cost; the axis is logarithmic where the costs span a factor of ten."""
    traces: list[Figure] = []
    for row, cost in zip(rows, costs, strict=True):
        look = looks[row.design]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "meta": row.design,
                "x": [cost],
                "y": [100 * row.mean],
                "text": [escape(row.design)],
                "error_y": {**_bars(row.mean, row.ci_low, row.ci_high), "color": look.colour},
                "marker": _marker(look, 11),
                "hovertemplate": f"<b>%{{text}}</b><br>%{{y:.1f}} points<br>%{{x:,.4~g}} {title}<extra></extra>",
            }
        )
    return {
        "data": traces,
        "layout": {
            "xaxis": {"title": {"text": title}, "tickformat": "~s", **_cost_axis(costs)},
            "yaxis": {"title": {"text": f"{escape(rows[0].metric)} on test, points"}, "zeroline": False},
            "height": 340,
            "showlegend": False,
        },
    }


def _cost_axis(costs: Sequence[float]) -> Figure:
    """Scale of the costs: from zero, or logarithmic with ticks at 1, 2 and 5 where they span a factor of ten."""
    low, high = min(costs), max(costs)
    if high < 10 * low:
        return {"rangemode": "tozero"}
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high < 1000 * low else (1,)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return {"type": "log", "tickvals": ticks, "range": [math.log10(low) - 0.12, math.log10(high) + 0.12]}


def _mean_trace(row: LeaderboardRow, place: int, look: Look) -> Figure:
    bounds = "" if row.ci_low is None or row.ci_high is None else f" [{100 * row.ci_low:.2f}, {100 * row.ci_high:.2f}]"
    return {
        **_dot(row, place, look, row.mean, row.ci_low, row.ci_high),
        "hovertemplate": f"<b>%{{text}}</b><br>%{{x:.2f}}{bounds}<extra></extra>",
    }


def _delta_trace(row: LeaderboardRow, place: int, look: Look) -> Figure:
    assert row.delta is not None
    low, high = row.delta_ci_low, row.delta_ci_high
    bounds = "" if low is None or high is None else f" [{100 * low:+.2f}, {100 * high:+.2f}]"
    return {
        **_dot(row, place, look, row.delta, low, high),
        "xaxis": "x2",
        "yaxis": "y2",
        "hovertemplate": f"<b>%{{text}}</b><br>%{{x:+.2f}}{bounds}<br>{row.verdict}<extra></extra>",
    }


def _dot(row: LeaderboardRow, place: int, look: Look, value: float, low: float | None, high: float | None) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [100 * value],
        "y": [place],
        "text": [escape(row.design)],
        "error_x": {**_bars(value, low, high), "color": look.colour},
        "marker": _marker(look, 10),
        "cliponaxis": True,
    }


def _marker(look: Look, size: int) -> Figure:
    larger = 2 if look.symbol.startswith("triangle") else 0  # a triangle of one size looks smaller than a circle
    line = {"width": 0 if look.filled else 2}
    return {"size": size + larger, "color": look.colour, "symbol": look.marker, "line": line}


def _bars(mean: float, low: float | None, high: float | None) -> Figure:
    above, below = (0.0 if high is None else high - mean), (0.0 if low is None else mean - low)
    shape: Figure = {"type": "data", "symmetric": False, "thickness": 2, "width": 0}
    return {**shape, "array": [100 * above], "arrayminus": [100 * below]}


def _delta_range(rows: Sequence[LeaderboardRow], margin: float) -> tuple[float, float]:
    """Range of the differences that are judged; a floor far away must not squeeze them."""
    judged = [row for row in rows if row.delta is not None and row.verdict != "floor"]
    shown = judged or [row for row in rows if row.delta is not None]
    ends = [0.0, 1.6 * margin, -1.6 * margin]
    for row in shown:
        ends += [end for end in (row.delta, row.delta_ci_low, row.delta_ci_high) if end is not None]
    low, high = 100 * min(ends), 100 * max(ends)
    pad = 0.08 * (high - low) or 1.0
    return low - pad, high + pad


def _edge_note(delta: float, place: int) -> Figure:
    """Tell a difference that lies outside the panel, at the edge where it would be."""
    text = f"◂ {delta:.1f}".replace("-", "−") if delta < 0 else f"{delta:+.1f} ▸"
    side, anchor = ("left", 0.005) if delta < 0 else ("right", 0.995)
    return {
        "xref": "x2 domain",
        "yref": "y2",
        "x": anchor,
        "y": place,
        "xanchor": side,
        "text": text,
        "showarrow": False,
        "font": {"size": 12, "color": "var(--soft)"},
    }


def _guides(rows: int, margin: float) -> list[Figure]:
    """Draw no difference as a line, the margin around it as a band, and a hairline under every design."""
    band = {"type": "rect", "xref": "x2", "yref": "y2 domain", "y0": 0, "y1": 1, "layer": "below"}
    line = {"type": "line", "xref": "x2", "yref": "y2 domain", "y0": 0, "y1": 1, "layer": "below", "x0": 0, "x1": 0}
    guides: list[Figure] = [
        {**band, "x0": -margin, "x1": margin, "fillcolor": "var(--wash)", "line": {"width": 0}},
        {**line, "line": {"width": 1.5, "color": "var(--grey)"}},
    ]
    for axis in ("", "2"):
        hair: Figure = {
            "type": "line",
            "xref": f"x{axis} domain",
            "yref": f"y{axis}",
            "x0": 0,
            "x1": 1,
            "layer": "below",
        }
        style = {"width": 1, "color": "var(--line)", "dash": "dot"}
        guides += [{**hair, "y0": place, "y1": place, "line": style} for place in range(1, rows + 1)]
    return guides
