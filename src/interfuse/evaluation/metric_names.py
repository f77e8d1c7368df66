"""Where a metric has no value."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from interfuse.core.errors import ConfigError
from interfuse.core.tasks import METRICS
from interfuse.evaluation import WEIGHTED, make_metric


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
    others = [name for name in METRICS[task] if name != metric]
    raise ConfigError(
        f"{metric} is undefined on the {len(true):,} test rows: {why}. Give a split whose test rows differ, or "
        f"another metric: {' or '.join(others)}."
    )
