"""One look for each design, the same in every figure: contenders in colour, the baseline in ink, floors in grey."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from interfuse.core.records import LeaderboardRow

SERIES = 8
"""Colours that the colour-blind tell apart; report.css gives `--series-0` to `--series-7` in light and dark."""
SYMBOLS = {
    "circle": "M0-5A5 5 0 1 0 0 5A5 5 0 1 0 0-5Z",
    "diamond": "M0-6.5L6.5 0L0 6.5L-6.5 0Z",
    "triangle-up": "M0-6L6 4.5H-6Z",
    "square": "M-4.5-4.5H4.5V4.5H-4.5Z",
    "triangle-down": "M0 6L6-4.5H-6Z",
    "pentagon": "M0-6L5.7-1.9L3.5 4.9H-3.5L-5.7-1.9Z",
}
"""Marker name to its outline for the legend."""
DASHES = {"solid": "none", "dot": "2 3", "dash": "7 3", "dashdot": "7 3 2 3"}
"""Line name to its dash pattern for the legend."""


@dataclass(frozen=True)
class Look:
    """How one design is drawn."""

    colour: str
    """A variable of report.css; the page knows its value in light and dark."""
    symbol: str
    dash: str = "solid"
    filled: bool = True

    @property
    def marker(self) -> str:
        """Give the marker's name for Plotly."""
        return self.symbol if self.filled else f"{self.symbol}-open"

    @property
    def outline(self) -> str:
        """Give the marker's outline as an SVG path."""
        return SYMBOLS[self.symbol]

    @property
    def pattern(self) -> str:
        """Give the line's dash pattern for SVG."""
        return DASHES[self.dash]


def choose_looks(rows: Sequence[LeaderboardRow]) -> dict[str, Look]:
    """Choose a look for every design; colour is never the only difference."""
    symbols, dashes = list(SYMBOLS), list(DASHES)[1:]
    looks, floors, contenders = {}, 0, 0
    for row in rows:
        if row.baseline:
            looks[row.design] = Look("var(--ink)", "square")
        elif row.verdict == "floor":
            looks[row.design] = Look("var(--grey)", symbols[floors % 6], dashes[floors % 3], filled=False)
            floors += 1
        else:
            turn = contenders // SERIES  # past the last colour another symbol and line make the difference
            symbol = symbols[(contenders % SERIES + turn) % 6]
            looks[row.design] = Look(f"var(--series-{contenders % SERIES})", symbol, list(DASHES)[turn % 4])
            contenders += 1
    return looks


def label(design: str, width: int = 30) -> str:
    """Write a design's name for an axis: escaped, a setting a line, long parts cut.

    >>> label("concat:hidden=512")
    'concat<br>hidden=512'
    """
    parts = [part if len(part) <= width else part[: width - 1] + "…" for part in design.split(":")]
    return "<br>".join(escape(part) for part in parts)


def escape(text: str) -> str:
    """Escape what Plotly would read as markup."""
    return html.escape(text, quote=False)
