"""What a study's record says of hyperparameter tuning."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interfuse.evaluation import expected_maximum


def expected_lines(study: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return each design's expected best validation score of 1, 2, … draws, from `trials`; the mean over splits.

    A draw that failed (null) counts as the worst of the design's others; a design that failed with every draw has no
    line.
    """
    lines = {}
    for design, scores in (study.get("trials") or {}).items():
        splits = scores if scores and isinstance(scores[0], list) else [scores]
        curves = [_expect(draws) for draws in splits if any(score is not None for score in draws)]
        if curves:
            lines[str(design)] = np.mean(curves, axis=0).tolist()
    return lines


def _expect(scores: Sequence[float | None]) -> np.ndarray:
    successes = [float(score) for score in scores if score is not None]
    return expected_maximum(np.array(successes + [min(successes)] * (len(scores) - len(successes))))
