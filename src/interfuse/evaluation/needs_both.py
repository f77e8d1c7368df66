"""Examples that need both modalities: right with both, wrong with either alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from interfuse.evaluation.components import mean_interval
from interfuse.evaluation.intervals import Interval

RIGHT = 0.5
"""Score from which a row counts as right."""


@dataclass(frozen=True)
class NeedsBoth:
    """Which rows are right only with both modalities."""

    rows: Int[np.ndarray, " found"]
    """Their numbers, in order."""
    share: Interval
    """Part of all rows, fraction 0 to 1."""
    image_suffices: float
    """Part of the rows that are right with the image alone."""
    text_suffices: float
    """Part of the rows that are right with the text alone."""


def find_needs_both(
    both: Float[np.ndarray, " rows"],
    image_alone: Float[np.ndarray, " rows"],
    text_alone: Float[np.ndarray, " rows"],
    groups: Int[np.ndarray, " rows"] | None = None,
) -> NeedsBoth:
    """Find the rows whose score is above ½ with both modalities and at most ½ with either alone.

    Args:
        both: score of each row, 0 to 1, with both modalities.
        image_alone: score with the text absent.
        text_alone: score with the image absent.
        groups: rows of one group are one item of the interval.
    """
    image, text = image_alone > RIGHT, text_alone > RIGHT
    needs_both = (both > RIGHT) & ~image & ~text
    share = mean_interval(needs_both.astype(np.float64)[None], groups, lowest=0.0).within(0.0, 1.0)
    return NeedsBoth(np.flatnonzero(needs_both), share, float(image.mean()), float(text.mean()))
