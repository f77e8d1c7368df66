"""Which metrics a task is compared by, and what each is called."""

from collections.abc import Mapping

from interfuse.core.errors import ConfigError
from interfuse.core.tasks import HEADLINES, RELATIVE_MSE, TASKS

METRICS: Mapping[str, tuple[str, ...]] = {
    "multiclass": (HEADLINES["multiclass"], "macro F1"),
    "multilabel": (HEADLINES["multilabel"], "micro F1", "macro F1", "mAP"),
    "matching": (HEADLINES["matching"], "AUC", "macro F1"),
    "regression": (HEADLINES["regression"], RELATIVE_MSE),
}
"""The metrics of each task, the headline first."""


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
