"""Train what a study lacks: measure the pace, say what it will cost, and run the longest first."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from interfuse.core.devices import limited_threads
from interfuse.core.errors import ConfigError
from interfuse.core.progress import Progress
from interfuse.training import train
from interfuse.workflows.compare.on_ray import train_on_workers
from interfuse.workflows.train import RunContext, TrainingSet, Trial, run_trials


@dataclass(frozen=True)
class Resources:
    """Where trainings run."""

    jobs: int | None = None
    """Side by side; none: chosen by cores and cost."""
    launcher: str | None = None
    """`ray`: on the workers of a Ray cluster; none: here."""


TrialCallback = Callable[[Trial], object]
"""Callback of a study: called with each trial when its run is on disk."""


def train_all(
    training_set: TrainingSet,
    context: RunContext,
    todo: list[Trial],
    resources: Resources,
    progress: Progress,
    on_done: TrialCallback | None = None,
) -> None:
    """Forecast the cost, then train what is missing, the longest first within each seed."""
    jobs = resources.jobs
    if not todo:
        progress.say("Every training of this study is already on disk: nothing to train.")
        return
    pace = _pace(training_set, context, todo)
    cost = [_steps(training_set, trial) * pace[_kind(trial)] for trial in todo]
    total = sum(cost)
    cores = os.cpu_count() or 1
    fitting = 1 if context.info.get("device", "cpu") != "cpu" else max(1, cores // context.threads)
    num_jobs = jobs or (1 if total < 20 else fitting)
    order = [
        trial
        for _, _, trial in sorted(
            zip((t.seed for t in todo), (-c for c in cost), todo, strict=True), key=lambda e: e[:2]
        )
    ]
    steps = sum(_steps(training_set, trial) for trial in todo)
    at_once = f", {num_jobs} at once" if num_jobs > 1 else ""
    progress.say(f"Plan: {len(todo)} trainings, {steps:,} steps{at_once}; forecast {_duration(total / num_jobs)}.")
    if resources.launcher is not None:
        train_on_workers(resources.launcher, training_set, context, order, jobs, progress)
        for trial in order:
            if on_done is not None:
                on_done(trial)
        return
    progress.start("train", steps, "steps")
    left = len(todo)
    for trial in run_trials(
        training_set, context, order, num_jobs, lambda done, note: progress.advance("train", done, note)
    ):
        left -= 1
        progress.advance("train", 0, f"{trial.design.name} seed {trial.seed} done, {left} trainings left")
        if on_done is not None:
            on_done(trial)
    progress.finish("train")


def _kind(trial: Trial) -> tuple[str, int, int]:
    """Return what a step's seconds depend on: draws of one design differ in little that matters to the clock."""
    return trial.design.slug, trial.design.dim, trial.design.batch_size


def _pace(training_set: TrainingSet, context: RunContext, todo: list[Trial]) -> dict[tuple[str, int, int], float]:
    """Measure seconds a step of each kind of training on a few steps, validation's share included."""
    seconds: dict[tuple[str, int, int], float] = {}
    for trial in todo:
        if _kind(trial) in seconds or trial.design.linear:
            continue
        features, specs = training_set.fold(trial.design, trial.fold)
        short = {**features.splits, "train": features.splits["train"][: 3 * trial.design.batch_size]}
        short["validation"] = features.splits["validation"][:1]
        design = replace(trial.design, epochs=1, warm_start=0)
        try:
            with limited_threads(context.threads):
                training = train(
                    design, 0, replace(features, splits=short), specs, context.precision, device=context.info["device"]
                )
        except ConfigError:
            if not trial.tuning:
                raise
            continue
        seconds[_kind(trial)] = 1.15 * training.seconds / training.history[-1]["step"]
    return {_kind(trial): seconds.get(_kind(trial), 0.0) for trial in todo}


def _steps(training_set: TrainingSet, trial: Trial) -> int:
    if trial.design.linear:
        return 0
    rows = len(training_set.folds[trial.fold]["train"])
    return -(-rows // trial.design.batch_size) * trial.design.epochs


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
