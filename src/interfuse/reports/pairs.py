"""Every design against every other: differences above the diagonal, Holm-adjusted p below."""

from collections.abc import Sequence
from dataclasses import dataclass

from interfuse.core.records import Contrast
from interfuse.core.tasks import LOWER_IS_BETTER
from interfuse.evaluation import ALPHA
from interfuse.reports.formats import signed


@dataclass(frozen=True)
class PairCell:
    """A cell of the matrix."""

    text: str
    title: str
    strength: int
    """Of the colour, percent; below 0 where the row is worse."""
    sure: bool
    """Whether the adjusted p is below the study's alpha."""


def build_matrix(
    contrasts: Sequence[Contrast], designs: Sequence[str], metric: str = "accuracy", alpha: float = ALPHA
) -> dict[str, list[PairCell | None]]:
    """Lay out the matrix: design to its cells in the order of `designs`; None on the diagonal.

    Args:
        contrasts: of each pair.
        designs: in the order of rows and columns.
        metric: that they are compared by.
        alpha: the adjusted p below which a cell is coloured.
    """
    better = -1 if metric in LOWER_IS_BETTER else 1
    pairs = {(c.first, c.second): c for c in contrasts}
    largest = max((abs(c.delta) for c in contrasts), default=0.0) or 1.0
    matrix: dict[str, list[PairCell | None]] = {}
    for at, row in enumerate(designs):
        cells: list[PairCell | None] = []
        for place, column in enumerate(designs):
            contrast, sign = (pairs.get((row, column)), 1) if (row, column) in pairs else (pairs.get((column, row)), -1)
            share = (better if place > at else 0) / largest
            cells.append(_cell(contrast, sign, f"{row} − {column}", share, alpha) if contrast else None)
        matrix[row] = cells
    return matrix


def spell_contrast(contrast: Contrast, sign: int = 1) -> str:
    """Write a difference in points with its interval: `+1.2 [+0.4, +2.0]`."""
    if contrast.low is None or contrast.high is None:
        return signed(sign * contrast.delta)
    low, high = sorted((sign * contrast.low, sign * contrast.high))
    return f"{signed(sign * contrast.delta)} [{signed(low)}, {signed(high)}]"


def spell_pair_p(p: float | None) -> str:
    """Write a p value: `0.037`, `< .001`."""
    return "–" if p is None else "< .001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 1 else "1"


def _cell(contrast: Contrast, sign: int, names: str, share: int | float, alpha: float) -> PairCell:
    """Fill a cell; `share` is what a difference of 1 adds to the colour's share, 0 below the diagonal."""
    sure = contrast.p_holm is not None and contrast.p_holm < alpha
    p = spell_pair_p(contrast.p_holm)
    title = f"{names}: {spell_contrast(contrast, sign)} points, Holm p {p}"
    strength = round(45 * sign * contrast.delta * share) if sure else 0
    return PairCell(signed(sign * contrast.delta) if share else p, title, strength, sure)
