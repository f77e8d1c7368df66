"""Figures as inline SVG that fill the width they are given: x in percent, y in pixels, so that type keeps its size."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from interfuse.reports.styles import Look

WIDTH = 1000
"""Units across the part of a figure that is stretched: lines and areas."""
Number = int | float
Point = tuple[Number, Number]


@dataclass(frozen=True)
class Scale:
    """From a value to a fraction of the axis, 0 to 1; linear or logarithmic."""

    low: Number
    high: Number
    log: bool = False

    def at(self, value: Number) -> float:
        """Place a value; 0 at the low end, 1 at the high end."""
        low, high, value = (
            (math.log10(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        return (value - low) / (high - low) if high > low else 0.5

    def ticks(self, most: int = 5) -> list[float]:
        """Choose round values on the axis.

        >>> Scale(0, 100).ticks(), Scale(61.2, 84.9).ticks(4), Scale(900, 30_000, log=True).ticks()
        ([0.0, 25.0, 50.0, 75.0, 100.0], [65.0, 70.0, 75.0, 80.0], [1000.0, 2000.0, 5000.0, 10000.0, 20000.0])
        """
        return self._log_ticks(most) if self.log else self._linear_ticks(most)

    def _linear_ticks(self, most: int) -> list[float]:
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        power = 10.0 ** math.floor(math.log10(span / most))
        for step in (power * factor for factor in (1, 2, 2.5, 5, 10, 20, 25, 50)):
            first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
            if last - first + 1 <= most:
                return [round(n * step, 10) for n in range(first, last + 1)]
        return [self.low, self.high]

    def _log_ticks(self, most: int) -> list[float]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for steps in ((1, 2, 5), (1, 3), (1,)):
            ticks = [s * 10.0**p for p in powers for s in steps if self.low * 0.999 <= s * 10.0**p <= self.high * 1.001]
            if len(ticks) <= most:
                return ticks if len(ticks) > 1 else self._linear_ticks(most)
        return ticks[:: -(-len(ticks) // most)]


def spread(values: Iterable[Number], pad: Number = 0.06) -> Scale:
    """Return a linear scale around these values with some room at either end."""
    numbers = list(values)
    low, high = min(numbers), max(numbers)
    room = pad * (high - low) or max(abs(high) * pad, 1e-9)
    return Scale(low - room, high + room)


@dataclass
class Frame:
    """A figure in the making; what is drawn later lies on top."""

    x: Scale
    y: Scale
    height: int
    """Of the part inside the axes, in pixels."""
    parts: list[Markup] = field(default_factory=list)

    def across(self, value: Number) -> str:
        """Place a value on the x axis, in percent."""
        return f"{100 * self.x.at(value):.2f}%"

    def down(self, value: Number) -> float:
        """Place a value on the y axis, in pixels from the top."""
        return round((1 - self.y.at(value)) * self.height, 1)

    def grid(self, ticks: Sequence[tuple[Number, str]], lines: bool = True) -> None:
        """Draw the ticks of the y axis with their lines across."""
        for value, text in ticks:
            down = self.down(value)
            if lines:
                self.add('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>', down)
            self.add('<text class="tick" x="-7" y="{}" dy=".34em" text-anchor="end">{}</text>', down, text)

    def axis(self, ticks: Sequence[tuple[Number, str]], title: str = "", lines: bool = False) -> None:
        """Draw the x axis: ticks, their texts and the title below."""
        self.add('<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>', self.height)
        for value, text in ticks:
            at = self.across(value)
            top = 0 if lines else self.height
            style = "grid" if lines else "axis"
            self.add('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>', style, at, at, top, self.height + 4)
            self.add('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>', at, self.height + 17, text)
        if title:
            self.add('<text class="title" x="50%" y="{}" text-anchor="middle">{}</text>', self.height + 35, title)

    def marker(self, x: Number, y: Number, look: Look, title: str, design: str = "") -> None:
        """Draw a design's mark, with words for who points at it."""
        self.add(
            '<svg class="mark" x="{}" y="{}" data-design="{}"><path d="{}" fill="{}" stroke="{}" stroke-width="1.6">'
            "<title>{}</title></path></svg>",
            *(self.across(x), self.down(y), design, look.outline),
            *(look.colour if look.filled else "var(--paper)", look.colour, title),
        )

    def whisker(self, start: Point, end: Point, look: Look, design: str = "") -> None:
        """Draw an interval as a straight line."""
        (x1, y1), (x2, y2) = start, end
        self.add(
            '<line class="whisker" x1="{}" x2="{}" y1="{}" y2="{}" stroke="{}" data-design="{}"/>',
            *(self.across(x1), self.across(x2), self.down(y1), self.down(y2), look.colour, design),
        )

    def line(
        self, points: Sequence[Point], colour: str, dash: str = "none", style: str = "curve", name: str = ""
    ) -> None:
        """Join points with a line; one point alone is a dot."""
        if len(points) == 1:
            (x, y), *_ = points
            self.add(
                '<circle class="{}" cx="{}" cy="{}" r="2.5" stroke="{}" fill="{}" data-design="{}"/>',
                *(style, self.across(x), self.down(y), colour, colour, name),
            )
            return
        self._add_stretched(
            '<path class="{}" d="{}" stroke="{}" stroke-dasharray="{}" data-design="{}"/>',
            *(style, self._path(points), colour, dash, name),
        )

    def band(self, low: Sequence[Point], high: Sequence[Point], colour: str, name: str = "") -> None:
        """Fill what lies between two lines."""
        path = self._path([*high, *reversed(low)]) + "Z"
        self._add_stretched('<path class="band" d="{}" fill="{}" data-design="{}"/>', path, colour, name)

    def add(self, template: str, *values: object) -> None:
        """Add an element; the values are escaped."""
        self.parts.append(Markup(template).format(*values))

    def close(self, label: str, left: int = 42, foot: int = 40) -> Markup:
        """Return the figure; `left` pixels are kept for the y axis and `foot` for the x axis."""
        return Markup(
            '<svg class="plot" role="img" aria-label="{}" height="{}" '
            'style="margin-left:{}px;width:calc(100% - {}px)">{}</svg>'
        ).format(label, self.height + foot, left, left + 12, Markup("").join(self.parts))

    def margin(self, margin: Number) -> None:
        """Shade what lies within ± the margin, and draw the line of no difference."""
        if margin > 0:
            left, right = (100 * self.x.at(end) for end in (-margin, margin))
            width = f"{right - left:.2f}"
            self.add('<rect class="margin" x="{}%" width="{}%" height="{}"/>', f"{left:.2f}", width, self.height)
        self.add('<line class="zero" x1="{0}" x2="{0}" y1="0" y2="{1}"/>', self.across(0), self.height)

    def row(self) -> Markup:
        """Return the figure as one row of a table of figures, which stands in words beside it."""
        parts = Markup("").join(self.parts)
        return Markup('<svg class="row plot" height="{}" aria-hidden="true">{}</svg>').format(self.height, parts)

    def _path(self, points: Sequence[Point]) -> str:
        places = (f"{WIDTH * self.x.at(x):.1f} {self.down(y)}" for x, y in points)
        return "M" + "L".join(places)

    def _add_stretched(self, template: str, *values: object) -> None:
        opening = Markup('<svg width="100%" height="{0}" viewBox="0 0 {1} {0}" preserveAspectRatio="none">').format(
            self.height, WIDTH
        )
        self.parts.append(opening + Markup(template).format(*values) + Markup("</svg>"))


def axis_row(scale: Scale, title: str, most: int) -> Markup:
    """Return the x axis below a table of figures; `most`: ticks."""
    frame = Frame(scale, Scale(0, 1), 0)
    frame.axis(ticks_of(scale, most), title)
    return Markup('<svg class="row" height="40" aria-hidden="true">{}</svg>').format(Markup("").join(frame.parts))


def spell_tick(value: Number) -> str:
    """Write a tick: short, with a true minus.

    >>> [spell_tick(v) for v in (-2.5, 0.001, 50.0, 20_000, 1.5e6, 3e9)]
    ['−2.5', '0.001', '50', '20k', '1.5M', '3G']
    """
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit * 0.9995:
            size = limit if unit != "k" else 1e3
            return f"{value / size:g}{unit}".replace("-", "−")
    return f"{value:g}".replace("-", "−")


def ticks_of(scale: Scale, most: int = 5) -> list[tuple[Number, str]]:
    """Return round values on a scale with their texts."""
    return [(value, spell_tick(value)) for value in scale.ticks(most)]
