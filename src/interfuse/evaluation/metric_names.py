"""Which metrics a task is compared by, what each is called, and where one has no value."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from interfuse.core.errors import ConfigError
from interfuse.core.tasks import HEADLINES, RELATIVE_MSE
from interfuse.evaluation import WEIGHTED, make_metric


def find_metric(word: str | None, task: str) -> str:
    """Return the metric's name; none: the task's headline. Case, hyphens and underscores do not matter; MSE will do for
    relative MSE.

    Raises:
        ConfigError: the task has no such metric.
    """
    names = _names(task)
    if word is None:
        return names[0]
    known = {name.lower(): name for name in names}
    plain = word.lower().replace("-", " ").replace("_", " ")
    plain = RELATIVE_MSE.lower() if plain == "mse" else plain.replace("r2", "r²")
    if plain not in known:
        raise ConfigError(f"A comparison of {task} is by {', '.join(names[:-1])} or {names[-1]}; got {word!r}.")
    return known[plain]


def check_defined(metric: str, task: str, label_names: Sequence[str], labels: Tensor) -> None:
    """Refuse a metric that has no value on these test rows, whatever a design answers.

    Args:
        metric: as `find_metric` gives it.
        task: of the rows.
        label_names: of the rows.
        labels: of the test rows of all folds, as `Features.labels`.

    Raises:
        ConfigError: AUC of rows of one class, or mAP of rows without any label.
    """
    if metric not in WEIGHTED.get(task, {}) or not len(labels):
        return
    true = labels.numpy()
    constant = np.full((len(true), len(label_names)), 0.5)
    if not np.isnan(make_metric(metric, constant, true, task)(np.ones(len(true)))):
        return
    why = "none of them has a label" if task == "multilabel" else f"all of them are of class {label_names[true[0]]!r}"
    others = [name for name in _names(task) if name != metric]
    raise ConfigError(
        f"{metric} is undefined on the {len(true):,} test rows: {why}. Give a split whose test rows differ, or "
        f"another metric: {' or '.join(others)}."
    )


def _names(task: str) -> list[str]:
    """Name the task's metrics, the headline first."""
    return [HEADLINES[task], *([RELATIVE_MSE] if task == "regression" else WEIGHTED.get(task, {}))]
