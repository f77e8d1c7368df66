"""The trainings of a study on the workers of a Ray cluster; all must reach the store and the study's folder."""

import socket
from collections.abc import Sequence
from dataclasses import replace

from interfuse.core.errors import ConfigError
from interfuse.core.progress import Progress
from interfuse.workflows.ray_cluster import run_on_ray
from interfuse.workflows.train import RunContext, TrainingSet, Trial, run_trial

WORKERS = 2
"""Trainings at once where it is not said."""


def train_on_workers(
    launcher: str,
    training_set: TrainingSet,
    context: RunContext,
    trials: Sequence[Trial],
    workers: int | None,
    progress: Progress,
) -> None:
    """Train every trial on some worker; one whose worker dies goes on elsewhere from its last epoch.

    Args:
        launcher: `ray`.
        training_set: the rows.
        context: what all trainings share.
        trials: to train, the longest first.
        workers: trainings at once on a cluster that is started here; none: 2.
        progress: told of each training that is done.

    Raises:
        ConfigError: the launcher is not known.
        ExtraMissingError: Ray is not installed.
        EncoderError: a training failed, or its worker died too often.
    """
    if launcher != "ray":
        raise ConfigError(f"Unknown launcher {launcher!r}. Known: ray. Without a launcher this machine trains.")
    calls = [(context, replace(trial, folder=trial.folder.absolute())) for trial in trials]
    progress.start("trainings", len(calls), "trainings")
    run_on_ray(_train, calls, lambda: progress.advance("trainings"), training_set, workers or WORKERS)
    progress.finish("trainings")


def _train(training_set: TrainingSet, context: RunContext, trial: Trial) -> str:
    """Train one trial, on whatever machine this is."""
    run_trial(training_set, context, trial, _ignore_step)
    return socket.gethostname()


def _ignore_step(steps: int, note: str) -> None:
    """Report nothing: a worker has no terminal."""
