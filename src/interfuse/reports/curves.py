"""The figures of training: validation scores and gradient norms by epoch."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from interfuse.reports.figures import Figure
from interfuse.reports.styles import Look, escape

History = Mapping[int, Sequence[Mapping[str, Any]]]
"""Seed to the rows of its `history.parquet`."""


def learning_plot(histories: Mapping[str, History], looks: Mapping[str, Look], metric: str) -> Figure:
    """Validation score by epoch: the mean over seeds, and the band from the lowest to the highest."""
    traces: list[Figure] = []
    longest = 0
    for design, history in histories.items():
        curves = _by_epoch(
            [{int(row["epoch"]): row.get("validation_score") for row in rows} for rows in history.values()]
        )
        if not curves:
            continue
        look, epochs = looks[design], list(curves)
        longest = max(longest, epochs[-1])
        low, high = ([100 * pick(values) for values in curves.values()] for pick in (min, max))
        mean = [100 * sum(values) / len(values) for values in curves.values()]
        if len(history) > 1:
            traces.append(_band(design, epochs, low, high, look))
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "meta": design,
                "x": epochs,
                "y": mean,
                "customdata": [list(pair) for pair in zip(low, high, strict=True)],
                "text": [escape(design)] * len(epochs),
                "line": {"color": look.colour, "width": 2, "dash": look.dash},
                "marker": {"symbol": look.marker, "size": 7, "color": look.colour},
                "hovertemplate": "<b>%{text}</b><br>epoch %{x}: %{y:.1f} "
                "(%{customdata[0]:.1f} to %{customdata[1]:.1f})<extra></extra>",
            }
        )
    layout = {
        "xaxis": {"title": {"text": "epoch"}, **_epoch_ticks(longest), "zeroline": False},
        "yaxis": {"title": {"text": f"{escape(metric)} on validation, points"}, "zeroline": False},
        "height": 430,
        "showlegend": False,
    }
    return {"data": traces, "layout": layout}


def gradient_plots(histories: Mapping[str, History], blocks: Sequence[str]) -> dict[str, Figure]:
    """Gradient norm of each block by epoch, the mean over seeds; one small figure a design, all on one scale."""
    norms = {design: _norms(history) for design, history in histories.items()}
    every = [v for curves in norms.values() for values in curves.values() for v in values.values() if v > 0]
    if not every:
        return {}
    span = [math.log10(min(every)) - 0.15, math.log10(max(every)) + 0.15]
    drawn = {}
    for design, curves in norms.items():
        traces = [_norm_trace(block, curves[block], blocks.index(block)) for block in blocks if block in curves]
        longest = max((max(values) for values in curves.values()), default=0)
        if any(any(y for y in trace["y"]) for trace in traces):
            layout = {
                "xaxis": {"title": {"text": "epoch"}, **_epoch_ticks(longest, 5), "zeroline": False},
                "yaxis": {"type": "log", "range": span, "dtick": 1, "tickformat": "~g", "zeroline": False},
                "height": 190,
                "showlegend": False,
            }
            drawn[design] = {"data": traces, "layout": layout}
    return drawn


def list_blocks(histories: Mapping[str, History]) -> list[str]:
    """List the blocks that any history names, in the order of the network."""
    found: dict[str, None] = {}
    for history in histories.values():
        for rows in history.values():
            for row in rows:
                found.update(dict.fromkeys(row.get("block") or []))
    return list(found)


def _norm_trace(block: str, values: Mapping[int, float], place: int) -> Figure:
    colour = f"var(--series-{place % 8})"
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(values),
        "y": [value if value > 0 else None for value in values.values()],  # a logarithm has no zero
        "line": {"color": colour, "width": 2},
        "marker": {"size": 4, "color": colour},
        "hovertemplate": f"{escape(block.replace('_', ' '))}<br>epoch %{{x}}: %{{y:.2~g}}<extra></extra>",
    }


def _norms(history: History) -> dict[str, dict[int, float]]:
    """Block to epoch to the mean norm over the seeds."""
    blocks = list_blocks({"": history})
    curves = {}
    for block in blocks:
        by_seed = []
        for rows in history.values():
            pairs = {int(row["epoch"]): dict(zip(row["block"], row["gradient_norm"], strict=True)) for row in rows}
            by_seed.append({epoch: norms.get(block) for epoch, norms in pairs.items()})
        curves[block] = {epoch: sum(values) / len(values) for epoch, values in _by_epoch(by_seed).items()}
    return {block: values for block, values in curves.items() if values}


def _by_epoch(seeds: Sequence[Mapping[int, float | None]]) -> dict[int, list[float]]:
    """Gather the seeds' values at every epoch that all of them reached with a finite value."""
    found: dict[int, list[float]] = {}
    for epoch in sorted(set().union(*seeds)) if seeds else []:
        values = [seed.get(epoch) for seed in seeds]
        finite = [value for value in values if value is not None and math.isfinite(value)]
        if len(finite) == len(seeds):
            found[epoch] = finite
    return found


def _band(design: str, epochs: list[int], low: list[float], high: list[float], look: Look) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "meta": design,
        "x": [*epochs, *reversed(epochs)],
        "y": [*high, *reversed(low)],
        "fill": "toself",
        "fillcolor": look.colour,
        "opacity": 0.16,
        "line": {"width": 0, "color": look.colour},
        "hoverinfo": "skip",
    }


def _epoch_ticks(longest: int, most: int = 12) -> Figure:
    """Ticks on whole epochs, at most so many."""
    return {"dtick": max(1, -(-longest // most)), "tick0": 1, "range": [0.7, max(longest, 1) + 0.3]}
