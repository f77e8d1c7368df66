"""What numbers are called in words: needed, spared, points, and the interval beside them."""

from interfuse.core.diagnosis import Value
from interfuse.evaluation.intervals import Interval

SMALL = 0.01
"""Less than one point matters little, however sure: of a loss no need, of probabilities nearly right."""
CLOSE = 0.03
"""Only where the interval of a loss ends below this is it called not needed."""
IDLE = 1e-4
"""An interaction share below this is rounding."""


def needed(drop: Interval) -> bool:
    """Whether a loss is sure and at least a point."""
    return drop.low > 0 and drop.mean >= SMALL


def spared(drop: Interval) -> bool:
    """Whether a loss is surely small: an interval that reaches further leaves it open."""
    return not needed(drop) and drop.high < CLOSE


def interval_value(name: str, interval: Interval, unit: str = "points") -> Value:
    """Return a number of a measure with its interval."""
    return Value(name, interval.mean, unit, interval.low, interval.high)


def spell_points(value: float) -> str:
    """Write a fraction as points: 0.041 is `4.1`."""
    text = f"{100 * value:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")


def spell_margin(margin: float) -> str:
    """Write a fraction that somebody set as points: `1 point`, `2.5 points`."""
    return "1 point" if margin == 0.01 else f"{100 * margin:g} points"


def spell_p(p: float | None) -> str:
    """Write a p value: `< 0.001`, `0.037`; a dash where there is none."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def spell_interval(interval: Interval) -> str:
    """Write a 95 % interval in points."""
    return f"95 % CI {spell_points(interval.low)} to {spell_points(interval.high)}"
