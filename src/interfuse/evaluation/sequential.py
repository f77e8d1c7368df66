"""Adding seeds until a contrast is decided, without being misled by looking often."""

import math
from dataclasses import dataclass

import scipy

from interfuse.evaluation.contrasts import Difference, Rules
from interfuse.evaluation.power import Precision

POCOCK = {1: 0.05, 2: 0.0294, 3: 0.0221, 4: 0.0182, 5: 0.0158, 6: 0.0142, 7: 0.0130, 8: 0.0120, 9: 0.0112, 10: 0.0106}
"""Looks to the p value that each look is judged at, so that all together err in 5 of 100."""
GROWTH = 1.5
"""From one look to the next the seeds grow by this factor at least."""
DECIDED = ("surely wins", "wins", "small", "equal", "loses", "surely loses")


@dataclass(frozen=True)
class Looks:
    """When the contrasts of a study are looked at, and how sure each look must be.

    A constant p at every look, for as many looks as there may be. Seeds that are added do not change the rows, so that
    looks are more alike than Pocock's, and the error smaller.

    Reference:
        Pocock 1977, https://doi.org/10.1093/biomet/64.2.191, table 1.
    """

    seeds: tuple[int, ...]
    """Trainings of a design at each look."""

    @classmethod
    def between(cls, first: int, most: int) -> "Looks":
        """Return the looks from so many seeds to so many.

        Args:
            first: seeds that every design has.
            most: seeds that a design may get.
        """
        counts = [first]
        while counts[-1] < most and len(counts) < max(POCOCK):
            counts.append(min(most, max(counts[-1] + 1, math.ceil(counts[-1] * GROWTH))))
        counts[-1] = most
        return cls(tuple(counts))

    @property
    def alpha(self) -> float:
        """The p value that a look is judged at."""
        return POCOCK[len(self.seeds)]

    def after(self, seeds: int) -> int | None:
        """Return the seeds of the next look; None after the last."""
        return next((count for count in self.seeds if count > seeds), None)


def is_open(contrast: Difference, word: str, rules: Rules, rows: int, most: int) -> bool:
    """Whether more seeds may still decide a contrast.

    It is decided by its verdict. It is hopeless where neither a difference nor equality would be shown by the most
    seeds, even if the estimate moved there as far as one in twenty do (`√(V now − V then)` is its standard deviation).

    Args:
        contrast: as it is now.
        word: the verdict on it.
        rules: with the look's alpha.
        rows: of test.
        most: seeds that a design may get.
    """
    components = contrast.components
    if word in DECIDED or components.seeds >= most:
        return False
    precision = Precision.of(components, rows)
    now, then = (precision.error(seeds, rows) for seeds in (components.seeds, most))
    reach = scipy.stats.norm.isf(0.05) * math.sqrt(max(0.0, now**2 - then**2))
    size = abs(contrast.mean)
    differs = size + reach > scipy.stats.norm.isf(rules.alpha / 2) * then
    equals = rules.margin - max(0.0, size - reach) > scipy.stats.norm.isf(rules.alpha) * then
    return bool(differs or equals)


def say_looks(looks: Looks, trained: dict[str, int], undecided: list[str]) -> str:
    """Return the sentence on how many seeds each design got.

    Args:
        looks: that were planned.
        trained: seeds of each design.
        undecided: designs whose contrast is open at the last look.
    """
    counts = sorted(set(trained.values()))
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    ending = f" Still open: {', '.join(undecided)}." if undecided else ""
    return (
        f"Seeds were added while a contrast was open and could be decided: {seeds} a design, of {looks.seeds[-1]}. "
        f"Each of up to {len(looks.seeds)} looks is judged at p {looks.alpha:.3f}, so that all err in at most 5 "
        f"of 100 studies; the intervals shown are those of a single look.{ending}"
    )
