"""One look for each design, the same in every figure: contenders in colour, the baseline in ink, floors in grey.

And the one way in which templates are opened, which all pages share.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from interfuse.core.records import LeaderboardRow

SERIES = 8
"""Colours that the colour-blind tell apart; report.css gives `--series-0` to `--series-7` in light and dark."""
SYMBOLS = {
    "circle": "M0-5A5 5 0 1 0 0 5A5 5 0 1 0 0-5Z",
    "diamond": "M0-6L6 0L0 6L-6 0Z",
    "triangle-up": "M0-5.8L5.6 4.4H-5.6Z",
    "square": "M-4.3-4.3H4.3V4.3H-4.3Z",
    "triangle-down": "M0 5.8L5.6-4.4H-5.6Z",
    "pentagon": "M0-5.7L5.4-1.8L3.3 4.6H-3.3L-5.4-1.8Z",
}
"""Marker name to its outline."""
DASHES = {"solid": "none", "dot": "2 3", "dash": "7 3", "dashdot": "7 3 2 3"}
"""Line name to its dash pattern."""


@dataclass(frozen=True)
class Look:
    """How one design is drawn."""

    colour: str
    """A variable of report.css; the page knows its value in light and dark."""
    symbol: str
    dash: str = "solid"
    filled: bool = True

    @property
    def outline(self) -> str:
        """Return the marker's outline as an SVG path."""
        return SYMBOLS[self.symbol]

    @property
    def pattern(self) -> str:
        """Return the line's dash pattern for SVG."""
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


def open_templates() -> Environment:
    """Return the templates of the pages: what is put in is escaped, and a name that is not there is an error."""
    return Environment(
        loader=PackageLoader("interfuse.reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
