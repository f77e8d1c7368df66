"""What a study's record says of tuning."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from interfuse.evaluation import expected_maximum


def expected_lines(study: Mapping[str, Any]) -> dict[str, list[float]]:
    """Give each design's expected best validation score of 1, 2, … draws, fractions 0 to 1, from `trials`."""
    trials = study.get("trials") or {}
    return {
        str(design): [float(value) for value in expected_maximum(np.asarray(scores, dtype=np.float64))]
        for design, scores in trials.items()
        if scores
    }
