"""What a study's record says of hyperparameter tuning."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from interfuse.evaluation import expected_maximum


def expected_lines(study: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return each design's expected best validation score of 1, 2, … draws, from `trials`.

    A draw that failed (null) counts as the worst of the design's others; a design that failed with every draw has no
    line.
    """
    lines = {}
    for design, scores in (study.get("trials") or {}).items():
        successes = [float(score) for score in scores if score is not None]
        if successes:
            draws = successes + [min(successes)] * (len(scores) - len(successes))
            lines[str(design)] = expected_maximum(np.array(draws)).tolist()
    return lines
