"""Tune the designs anew on each split that was made anew: what tuning finds is part of what differs between splits."""

from dataclasses import replace
from pathlib import Path

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError
from interfuse.core.progress import Progress
from interfuse.training import leftovers
from interfuse.workflows.compare.tune import Tuned, TuneSettings, tune
from interfuse.workflows.study import TUNING_FOLDER
from interfuse.workflows.train import RunContext, TrainingSet


def tune_splits(
    out: Path,
    training_set: TrainingSet,
    context: RunContext,
    designs: list[Design],
    settings: TuneSettings,
    progress: Progress,
) -> Tuned:
    """Tune on the train and validation rows of each split alone, with draws and trainings of a seed of its own.

    Args:
        out: the study's folder; runs go to `tuning/SPLIT/tuning/`.
        training_set: the rows, a fold each split.
        context: what all trainings share.
        designs: of the study.
        settings: how many draws, from what space.
        progress: told how far it is.

    Returns:
        The designs as they are, and the record of what each split chose for them.

    Raises:
        ConfigError: as `tune`, or `out` holds something else.
    """
    if out.is_dir() and not (out / TUNING_FOLDER).is_dir() and set(out.iterdir()) - set(leftovers(out)):
        raise ConfigError(f"{out} is not empty and holds no tuning. Give another out=….")
    records = []
    for number in range(len(training_set.folds)):
        folder, own = out / TUNING_FOLDER / str(number), replace(settings, seed=settings.seed + number)
        records.append(tune(folder, _keep_split(training_set, number), context, designs, own, progress).record)
    splits = [{name: record["tuning"][name] for name in ("seed", "draws", "chosen")} for record in records]
    trials = {design.name: [record["trials"][design.name] for record in records] for design in designs}
    tuning = {"space": settings.space, "metric": settings.metric, "splits": splits}
    return Tuned(designs, {"tuning": tuning, "trials": trials})


def _keep_split(training_set: TrainingSet, number: int) -> TrainingSet:
    """Keep one split of several."""
    specs = {(0, pooled): specs for (fold, pooled), specs in training_set.specs.items() if fold == number}
    return replace(training_set, folds=(training_set.folds[number],), specs=specs)
