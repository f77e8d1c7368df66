"""The tasks: what a row's label is, and which metrics a comparison may be about."""

import math
from collections.abc import Mapping
from typing import Literal, get_args

from interfuse.core.errors import ConfigError

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

METRICS: Mapping[str, tuple[str, ...]] = {
    "multiclass": (HEADLINES["multiclass"], "macro F1"),
    "multilabel": (HEADLINES["multilabel"], "micro F1", "macro F1", "mAP"),
    "matching": (HEADLINES["matching"], "AUC", "macro F1"),
    "regression": (HEADLINES["regression"], RELATIVE_MSE),
}
"""The metrics of each task, the headline first."""

NO_MATCH, MATCH = PAIR_LABELS = ("0", "1")
"""Classes of `matching`, in the order of the probabilities."""


def lowest_score(task: str) -> float:
    """Return the smallest score that a row or a metric can have: regression's R² has no lower bound."""
    return -math.inf if task == "regression" else 0.0


def is_single_class(task: str) -> bool:
    """Whether a row has exactly one class out of several, so that probabilities add up to 1."""
    return task in ("multiclass", "matching")


def find_metric(word: str | None, task: str) -> str:
    """Return the metric's name; none: the task's headline. Case, hyphens and underscores do not matter; MSE will do for
    relative MSE.

    Raises:
        ConfigError: the task has no such metric.
    """
    names = METRICS[task]
    if word is None:
        return names[0]
    known = {name.lower(): name for name in names}
    plain = word.lower().replace("-", " ").replace("_", " ")
    plain = RELATIVE_MSE.lower() if plain == "mse" else plain.replace("r2", "r²")
    if plain not in known:
        raise ConfigError(f"A comparison of {task} is by {', '.join(names[:-1])} or {names[-1]}; got {word!r}.")
    return known[plain]


def check_metric(word: str, task: str | None = None) -> None:
    """Refuse a metric that the task does not have, or, where the task is not known yet, that none has.

    Raises:
        ConfigError: there is no such metric.
    """
    if task is not None:
        find_metric(word, task)
        return
    reasons = []
    for one in TASKS:
        try:
            find_metric(word, one)
        except ConfigError as error:
            reasons.append(str(error).partition(";")[0])
        else:
            return
    raise ConfigError(f"No task has the metric {word!r}. {'. '.join(reasons)}.")


def spell_metrics() -> list[str]:
    """Return every metric as one types it, without spaces: `accuracy`, `macro-f1`, `r2`."""
    names = dict.fromkeys(name for names in METRICS.values() for name in names)
    return [name.lower().replace(" ", "-").replace("²", "2") for name in names]
