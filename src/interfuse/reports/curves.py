"""Learning curves: one small figure a design, the baseline behind it, all on one scale."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from interfuse.reports.styles import Look
from interfuse.reports.svg import Frame, Point, Scale, spell_tick, spread, ticks_of

History = Mapping[int, Sequence[Mapping[str, Any]]]
"""Seed to the rows of its `history.parquet`."""
HEIGHT = 120


@dataclass(frozen=True)
class Curve:
    """A design's validation score by epoch, in points."""

    mean: list[Point]
    low: list[Point]
    high: list[Point]
    seeds: int


def find_curves(histories: Mapping[str, History]) -> dict[str, Curve]:
    """Return every design's curve up to the last epoch that all of its seeds reached; none where nothing was scored."""
    curves = {}
    for design, history in histories.items():
        values = by_epoch(
            [{int(row["epoch"]): row.get("validation_score") for row in rows} for rows in history.values()]
        )
        if values:
            mean, low, high = (
                [(float(epoch), 100 * pick(scores)) for epoch, scores in values.items()] for pick in (_mean, min, max)
            )
            curves[design] = Curve(mean, low, high, len(history))
    return curves


def draw_learning(curves: Mapping[str, Curve], looks: Mapping[str, Look], baseline: str | None) -> dict[str, Markup]:
    """Draw each design's mean over seeds in the band from lowest to highest; the baseline's mean lies behind."""
    if not curves:
        return {}
    y = spread(value for curve in curves.values() for line in (curve.low, curve.high) for _, value in line)
    longest = max(curve.mean[-1][0] for curve in curves.values())
    x = Scale(1, max(longest, 2))
    ghost = curves.get(baseline or "")
    figures = {}
    for design, curve in curves.items():
        frame, look = Frame(x, y, HEIGHT), looks[design]
        frame.grid(ticks_of(y, 4))
        frame.axis([(tick, spell_tick(tick)) for tick in _epochs(longest)])
        if ghost is not None and design != baseline:
            frame.line(ghost.mean, "var(--grey)", "2 3", "ghost")
        if curve.seeds > 1 and len(curve.mean) > 1:
            frame.band(curve.low, curve.high, look.colour)
        frame.line(curve.mean, look.colour)
        ends = f"{curve.mean[0][1]:.1f} points at epoch {curve.mean[0][0]:.0f}, {curve.mean[-1][1]:.1f} at the last"
        best = max(curve.mean, key=lambda point: point[1])
        frame.marker(*best, look, f"{design}: best on average at epoch {best[0]:.0f}, {best[1]:.1f} points")
        figures[design] = frame.close(f"Validation score of {design} by epoch: {ends}", left=34, foot=22)
    return figures


def draw_expected(lines: Mapping[str, Sequence[int | float]], looks: Mapping[str, Look], metric: str) -> Markup | None:
    """Draw the expected best validation score by the number of draws, a line a design; scores are fractions."""
    scores = {design: [100 * value for value in values] for design, values in lines.items() if len(values)}
    if not scores:
        return None
    longest = max(len(values) for values in scores.values())
    frame = Frame(Scale(1, max(longest, 2)), spread(value for values in scores.values() for value in values), 230)
    frame.grid(ticks_of(frame.y))
    frame.axis([(tick, spell_tick(tick)) for tick in _epochs(longest)], "draws of the settings")
    for design, values in scores.items():
        look = looks[design]
        places = [(float(number), value) for number, value in enumerate(values, 1)]
        frame.line(places, look.colour, look.pattern, name=design)
        title = f"{design}: {values[-1]:.1f} points expected of the best of {len(values)} draws"
        frame.marker(*places[-1], look, title, design)
    return frame.close(f"Expected best {metric} on validation by the number of draws")


def by_epoch(seeds: Sequence[Mapping[int, int | float | None]]) -> dict[int, list[int | float]]:
    """Gather the seeds' values at every epoch that all of them reached with a finite value."""
    epochs: dict[int, list[int | float]] = {}
    for epoch in sorted(set().union(*seeds)) if seeds else []:
        values = [seed.get(epoch) for seed in seeds]
        finite = [value for value in values if value is not None and math.isfinite(value)]
        if len(finite) == len(seeds):
            epochs[epoch] = finite
    return epochs


def _mean(values: Sequence[int | float]) -> float:
    return sum(values) / len(values)


def _epochs(longest: int | float, most: int = 6) -> list[float]:
    """Return ticks on whole numbers from 1, at most so many."""
    step = max(1, -(-int(longest) // most))
    return [
        float(tick) for tick in range(1, int(longest) + 1) if tick == 1 or (tick % step == 0 and tick > step / 2 + 1)
    ]
