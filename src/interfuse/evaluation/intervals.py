"""The interval of a mean: what it says, and what it cannot say beyond the bounds of a score."""

import math
from dataclasses import dataclass, replace

import numpy as np

_ZERO = 1e-15


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval."""

    mean: float
    low: float
    high: float
    standard_error: float
    df: float
    """Degrees of freedom of the t distribution (Satterthwaite)."""
    p: float
    """Two-sided p value of a zero mean."""
    seeds: int

    @property
    def one_model(self) -> bool:
        """Whether the interval speaks of one trained model only: a single seed shows nothing of the next one."""
        return self.seeds == 1

    def within(self, low: float, high: float) -> "Interval":
        """Cut the interval to what the score can be, such as 0 to 1."""
        return replace(self, low=max(low, self.low), high=min(high, self.high))


def stretch(mean: float, half: float, lowest: float = -math.inf, highest: float = math.inf) -> tuple[float, float]:
    """Return the ends of an interval of a score that has bounds; of a difference, whose bounds are ±, mean ± half.

    A score near a bound varies less than one in the middle. So the ends x are where `|mean − x|` is half, times the
    root of v(x)/v(mean), with `v(x) = (x−lowest)(highest−x)` between two bounds (of a share of right rows that is
    Wilson's interval), `(highest−x)²` below one, `(x−lowest)²` above one. Where `mean` lies on a bound, nothing is
    left: both ends are the mean.

    Reference:
        Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953.

    >>> low, high = stretch(0.97, 1.96 * (0.97 * 0.03 / 100) ** 0.5, 0.0, 1.0)
    >>> round(low, 3), round(high, 3)
    (0.915, 0.99)
    """
    if lowest == -highest:
        return mean - half, mean + half
    if math.isinf(lowest):
        low, high = stretch(-mean, half, -highest)
        return -high, -low
    if math.isinf(highest):
        room = mean - lowest
        if room <= _ZERO:
            return mean, mean
        part = half / room
        return lowest + room / (1 + part), lowest + room / (1 - part) if part < 1 else math.inf
    room = (mean - lowest) * (highest - mean)
    if room <= _ZERO:
        return mean, mean
    part = half**2 / room
    middle = mean + part * (lowest + highest) / 2
    reach = math.sqrt(max(0.0, middle**2 - (1 + part) * (mean**2 + part * lowest * highest)))
    return (middle - reach) / (1 + part), (middle + reach) / (1 + part)


def variation(value: float, lowest: float = -math.inf, highest: float = math.inf) -> float:
    """Return v of `stretch`: how much a score of this mean varies, up to a factor."""
    if lowest == -highest:
        return 1.0
    below = 1.0 if math.isinf(lowest) else value - lowest
    above = 1.0 if math.isinf(highest) else highest - value
    return max(0.0, below * above if math.isfinite(lowest) == math.isfinite(highest) else (below * above) ** 2)


def unvaried(
    mean: float, shape: tuple[int, int], level: float = 0.95, bounds: tuple[float, float] = (-1.0, 1.0)
) -> Interval:
    """Return the interval of a score, or of a difference of scores, that is the same in every seed and group.

    A share u of all groups may be different, anything between the bounds, and be missed with probability
    (1−u)^groups; with u = 1 − ((1−level)/2)^(1/groups) the interval is mean − u(mean−lowest) to
    mean + u(highest−mean). For rows that are all right this is the exact binomial one: 3 rows leave 29 to 100 points,
    and 4,000 bound a difference of 0 to ±0.1. p is 1 − level of the interval that ends at 0: of a difference of 1 that
    is the sign test's. Where a bound is missing, nothing bounds what was missed: no width, and p is 1 or 0.

    Args:
        mean: of the values.
        shape: seeds and groups.
        level: of the interval.
        bounds: least and largest value possible.

    Reference:
        Clopper and Pearson 1934, https://doi.org/10.1093/biomet/26.4.404, at no failure.
    """
    (seeds, groups), (lowest, highest) = shape, bounds
    df = groups - 1.0
    if not lowest - _ZERO <= mean <= highest + _ZERO or np.isinf(lowest) or np.isinf(highest):
        return Interval(mean, mean, mean, 0.0, df, 1.0 if abs(mean) <= _ZERO else 0.0, seeds)
    unseen = 1 - ((1 - level) / 2) ** (1 / groups)
    far = highest - mean if mean < 0 else mean - lowest
    p = min(1.0, 2 * (1 - abs(mean) / far) ** groups) if mean else 1.0
    return Interval(mean, mean - unseen * (mean - lowest), mean + unseen * (highest - mean), 0.0, df, p, seeds)
