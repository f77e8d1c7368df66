"""The figures of a report as plain Plotly traces; the page gives them its colours, light or dark."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from interfuse.core.records import LeaderboardRow, StudySummary

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#999933", "#882255", "#44aa99")
"""Colours that the colour-blind tell apart (Okabe and Ito 2008, then Tol 2021)."""
Figure = dict[str, Any]


def figures(summary: StudySummary) -> dict[str, Figure]:
    """Draw everything; a figure without data is left out."""
    trained = [row for row in summary.rows if row.parameters > 0]
    drawn = {"interval": interval_plot(summary.rows)}
    if trained:
        drawn["parameters"] = cost_plot(trained, [float(row.parameters) for row in trained], "trained parameters")
        drawn["seconds"] = cost_plot(trained, [row.train_seconds for row in trained], "training seconds a run")
    if summary.histories:
        order = [row.design for row in summary.rows if row.design in summary.histories]
        drawn["learning"] = learning_plot(summary, order)
        drawn["gradients"] = gradient_plot(summary, order[0])
    return drawn


def interval_plot(rows: Sequence[LeaderboardRow]) -> Figure:
    """Mean and 95 % interval of every design, the best on top."""
    shown = list(reversed(rows))
    means = [100 * row.mean for row in shown]
    high = [
        100 * (row.ci_high if row.ci_high is not None else row.mean) - m for row, m in zip(shown, means, strict=True)
    ]
    low = [m - 100 * (row.ci_low if row.ci_low is not None else row.mean) for row, m in zip(shown, means, strict=True)]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": means,
        "y": [row.design for row in shown],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": high,
            "arrayminus": low,
            "thickness": 2,
            "width": 5,
            "color": PALETTE[5],
        },
        "marker": {"size": 9, "color": [PALETTE[1] if row.baseline else PALETTE[0] for row in shown]},
        "hovertemplate": "%{y}: %{x:.2f}<extra></extra>",
    }
    axis = {"title": {"text": f"test {rows[0].metric}, points" if rows else ""}, "zeroline": False}
    return {"data": [trace], "layout": {"xaxis": axis, "yaxis": {"automargin": True}, "height": 90 + 30 * len(rows)}}


def cost_plot(rows: Sequence[LeaderboardRow], costs: Sequence[float], title: str) -> Figure:
    """Score against a cost, on a logarithmic axis."""
    traces = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": row.design,
            "x": [cost],
            "y": [100 * row.mean],
            "marker": {"size": 11, "color": PALETTE[place % len(PALETTE)]},
            "hovertemplate": f"%{{x:,.4g}} {title}<br>%{{y:.2f}}",
        }
        for place, (row, cost) in enumerate(zip(rows, costs, strict=True))
    ]
    layout = {
        "xaxis": {"type": "log", "title": {"text": title}, "dtick": "D2" if max(costs) < 100 * min(costs) else None},
        "yaxis": {"title": {"text": f"test {rows[0].metric}, points"}},
        "height": 380,
        "showlegend": False,
    }
    return {"data": traces, "layout": layout}


def learning_plot(summary: StudySummary, order: Sequence[str]) -> Figure:
    """Validation score by epoch: the mean over seeds, and the band from the lowest to the highest."""
    traces: list[Figure] = []
    for place, design in enumerate(order):
        curves = _curves(summary, design, "validation_score")
        epochs = list(range(1, curves.shape[1] + 1))
        colour = PALETTE[place % len(PALETTE)]
        low, high, mean = curves.min(0), curves.max(0), curves.mean(0)
        band = {
            "type": "scatter",
            "x": [*epochs, *reversed(epochs)],
            "y": [*high.tolist(), *low[::-1].tolist()],
            "fill": "toself",
            "fillcolor": colour,
            "opacity": 0.15,
            "line": {"width": 0},
            "hoverinfo": "skip",
            "legendgroup": design,
            "showlegend": False,
        }
        line = {
            "type": "scatter",
            "mode": "lines+markers",
            "name": design,
            "legendgroup": design,
            "x": epochs,
            "y": mean.tolist(),
            "line": {"color": colour, "width": 2},
            "hovertemplate": "epoch %{x}: %{y:.2f}",
        }
        traces += [band, line]
    layout = {
        "xaxis": {"title": {"text": "epoch"}, "dtick": 1 if len(traces) and len(traces[1]["x"]) <= 20 else None},
        "yaxis": {"title": {"text": "validation score, points"}},
        "height": 460,
    }
    return {"data": traces, "layout": layout}


def gradient_plot(summary: StudySummary, design: str) -> Figure:
    """Gradient norm of each block by epoch, for one design, the mean over its seeds."""
    seeds = list(summary.histories[design].values())
    blocks = seeds[0][0]["block"]
    traces = []
    for place, block in enumerate(blocks):
        norms = np.mean([[row["gradient_norm"][place] for row in rows] for rows in seeds], axis=0)
        if norms.any():
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": block.replace("_", " "),
                    "x": list(range(1, len(norms) + 1)),
                    "y": norms.tolist(),
                    "line": {"color": PALETTE[place], "width": 2},
                }
            )
    layout = {
        "xaxis": {"title": {"text": f"epoch ({design})"}},
        "yaxis": {"title": {"text": "gradient norm before clipping"}, "type": "log"},
        "height": 380,
    }
    return {"data": traces, "layout": layout}


def _curves(summary: StudySummary, design: str, column: str) -> np.ndarray:
    return 100 * np.array([[row[column] for row in rows] for rows in summary.histories[design].values()])
