"""Train one design with one seed: rows in, a run out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interfuse.core.design import Design, check_idle
from interfuse.core.errors import ConfigError
from interfuse.core.progress import Progress, Silent
from interfuse.training import Precision, Run, check_design, distributed, load_run, steps_an_epoch
from interfuse.workflows.source import FILE, Source, keep_troubles
from interfuse.workflows.train.prepare import Prepared, prepare
from interfuse.workflows.train.runs import RunContext, Trial, is_done, is_unfinished, run_trials, tidy
from interfuse.workflows.train.training_set import make_training_set


def train_run(
    source: Source,
    out: Path,
    design: Design,
    seed: int = 0,
    precision: Precision = "auto",
    threads: int = 1,
    progress: Progress | None = None,
) -> Run:
    """Encode what is new, train, score validation and test once, and return the run.

    Distributed processes, which torchrun started, share the work: each encodes and trains on its part of the rows, and
    a step has `batch_size` rows of each.

    Args:
        source: the rows and how to read and encode them.
        out: the run's folder; the same call on it again finishes or just opens it.
        design: what is trained.
        seed: of initialisation, order and dropout.
        precision: of the training step.
        threads: CPU threads.
        progress: told how far it is.

    Raises:
        ConfigError: the design cannot work, or `out` holds another run.
        DataError: the rows cannot be used.
    """
    if source.read.resplit:
        raise ConfigError("resplit=… trains on several splits and compares: give it to compare. One training has one.")
    watcher = progress or Silent()
    check_idle([design])
    check_design(design)
    distributed.join(source.encode.device)
    prepared = prepare(source, watcher)
    return train_prepared(prepared, Trial(design, seed, 0, out), precision, threads, watcher)


def train_prepared(prepared: Prepared, trial: Trial, precision: Precision, threads: int, watcher: Progress) -> Run:
    """Train on rows that are ready, unless the trial's folder holds this very run."""
    design, out = trial.design, trial.folder
    context = RunContext(precision, threads, with_processes(prepared.info), prepared.projections)
    if is_done(trial, context.info):
        tidy(trial, context)
        watcher.say(f"{out} holds this very run already: nothing to train.")
        return load_run(out)
    if not is_unfinished(trial, context):
        raise ConfigError(f"{out} is not empty and does not hold this run. Give another out=….")
    training_set = make_training_set(prepared.features, prepared.folds[:1], [design])
    steps = steps_an_epoch(len(training_set.folds[0]["train"]), design.batch_size) * design.epochs
    watcher.start("train", steps, "steps")
    for _ in run_trials(training_set, context, [trial], 1, lambda done, note: watcher.advance("train", done, note)):
        watcher.finish("train")
    if prepared.examples:
        keep_troubles(prepared.examples.troubles, out / FILE, watcher)
    return load_run(out)


def with_processes(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the info with the number of distributed processes, where several train: a step has the rows of all."""
    size = distributed.world().size
    return {**info, **({"processes": size} if size > 1 else {})}
