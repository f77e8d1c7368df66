"""The tasks: what a row's label is, and which score a comparison is about."""

import math
from typing import Literal, get_args

Task = Literal["multiclass", "multilabel", "matching", "regression"]
TASKS: tuple[str, ...] = get_args(Task)

HEADLINES = {
    "multiclass": "accuracy",
    "multilabel": "example F1",
    "matching": "accuracy",
    "regression": "R²",
}
"""The metric that is a mean over rows: selection, intervals and verdicts are about it; the others stand beside it."""

RELATIVE_MSE = "relative MSE"
"""Regression: squared error over the variance of all test rows' numbers, a mean over rows."""
LOWER_IS_BETTER = (RELATIVE_MSE,)
"""Metrics that measure an error."""

NO_MATCH, MATCH = PAIR_LABELS = ("0", "1")
"""Classes of `matching`, in the order of the probabilities."""


def lowest_score(task: str) -> float:
    """Return the smallest score that a row or a metric can have: regression's R² has no lower bound."""
    return -math.inf if task == "regression" else 0.0


def is_single_class(task: str) -> bool:
    """Whether a row has exactly one class out of several, so that probabilities add up to 1."""
    return task in ("multiclass", "matching")
