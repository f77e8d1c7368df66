"""What a study's record says of tuning and of the contrast declared beforehand; read as far as it is there."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from interfuse.evaluation import expected_maximum


def expected_lines(study: Mapping[str, Any]) -> dict[str, list[float]]:
    """Give each design's expected best validation score of 1, 2, … draws, fractions 0 to 1.

    Read from `expected_max` (design to its values, or to pairs of draws and value), else computed from `trials`
    (design to scores, or to records with a score).
    """
    stored = study.get("expected_max")
    if isinstance(stored, Mapping) and stored:
        return {str(design): _numbers(values) for design, values in stored.items()}
    trials = study.get("trials")
    if not isinstance(trials, Mapping):
        return {}
    scores = {str(design): _numbers(values) for design, values in trials.items()}
    return {
        design: [float(v) for v in expected_maximum(np.asarray(values))] for design, values in scores.items() if values
    }


def spell_primary(study: Mapping[str, Any]) -> str | None:
    """Say which contrast was declared before the study."""
    primary = study.get("primary")
    if isinstance(primary, str):
        return primary
    if not isinstance(primary, Mapping):
        return None
    said = primary.get("sentence") or primary.get("verdict")
    if isinstance(said, str):
        return said
    return ", ".join(f"{name}: {value}" for name, value in primary.items() if value is not None)


def _numbers(values: Any) -> list[float]:
    """Read numbers out of a list of numbers, pairs or records."""
    if isinstance(values, Mapping):
        values = [values[key] for key in sorted(values, key=float)] if all(_is_number(k) for k in values) else []
    found = []
    for value in values if isinstance(values, Sequence) else []:
        if isinstance(value, Mapping):
            value = next((value[k] for k in ("expected", "score", "validation", "value") if k in value), None)
        elif isinstance(value, Sequence) and len(value) == 2:
            value = value[1]
        if _is_number(value) and math.isfinite(float(value)):
            found.append(float(value))
    return found


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
