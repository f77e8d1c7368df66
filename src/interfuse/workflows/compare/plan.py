"""What a comparison will train: the designs as they are named and sized at last, and the record of the study."""

import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interfuse.core.design import Design
from interfuse.core.progress import Progress
from interfuse.core.settings import to_plain
from interfuse.core.tasks import HEADLINES, LOWER_IS_BETTER, find_metric
from interfuse.workflows.compare.floors import LINEAR_WORK, is_baseline_kind, name_role
from interfuse.workflows.compare.match_parameters import match_all, match_concat
from interfuse.workflows.compare.request import Request, find_baseline, read_primary
from interfuse.workflows.compare.tune import TuneSettings, tune
from interfuse.workflows.compare.tune_splits import tune_splits
from interfuse.workflows.train import Prepared, RunContext, TrainingSet, make_training_set


@dataclass(frozen=True)
class Lineup:
    """The designs of a study, and the parts that they play in it."""

    designs: list[Design]
    floors: set[str]
    """Names of floors that are none by their kind alone."""
    baseline: str
    primary: Mapping[str, str] | None
    """`first` and `second` to the designs of the contrast that was declared beforehand."""


@dataclass(frozen=True)
class Plan:
    """A study as it will be trained."""

    request: Request
    prepared: Prepared
    training_set: TrainingSet
    context: RunContext
    record: Mapping[str, Any]
    """All of study.json but the seconds."""


def settle(request: Request, prepared: Prepared, out: Path, progress: Progress) -> Plan:
    """Return the plan: designs of their final size and, where asked, with tuned hyperparameters; the study's record.

    Args:
        request: what was asked for.
        prepared: the rows.
        out: the study's folder; a tuning is done there.
        progress: told how far it is.

    Raises:
        ConfigError: a design cannot have the size that is wanted, or the tuning cannot be done.
    """
    settings, small = request.settings, _fits_fast(prepared)
    designs = request.floors.add(request.designs, prepared.features.task, linear=small)
    if not small and request.floors.linear:
        progress.say(
            f"{', '.join(design.name for design in request.floors.linear)} are left out: so many rows and classes "
            "take them minutes. Name them among the fusions to have them."
        )
    training_set = make_training_set(prepared.features, prepared.folds, designs)
    context = RunContext(settings.precision, settings.threads, prepared.info, prepared.projections)
    lineup, tuning_record = line_up(request, designs, training_set, progress), {}
    if settings.tune:
        metric = find_metric(settings.metric, prepared.features.task)
        by = HEADLINES["regression"] if metric in LOWER_IS_BETTER else metric  # ranked alike
        tuning = TuneSettings(settings.tune, settings.space, by, request.resources)
        search = tune_splits if request.source.read.resplit else tune
        tunable = [design for design in lineup.designs if not design.linear]
        best = search(out, training_set, context, tunable, tuning, progress)
        tuned = {design.name: design for design in best.designs}
        designs = [tuned.get(design.name, design) for design in lineup.designs]
        lineup, tuning_record = replace(lineup, designs=designs), best.record
    record = {**describe(request, lineup, prepared), **tuning_record}
    return Plan(request, prepared, training_set, context, record)


def line_up(request: Request, originals: list[Design], training_set: TrainingSet, progress: Progress) -> Lineup:
    """Match the designs' sizes, and find the baseline and the primary contrast among them by their new names.

    Args:
        request: what was asked for.
        originals: its designs, floors among them.
        training_set: their rows.
        progress: told of designs that cannot be made as large as was asked.
    """
    settings, designs = request.settings, originals
    if settings.match_parameters:
        designs, notes = match_all(designs, training_set, settings.match_parameters)
        for note in notes:
            progress.say(note)
    designs = match_concat(designs, training_set)
    new_names = {old.name: design.name for old, design in zip(originals, designs, strict=True)}
    floors = {new_names[name] for name in request.floors.names(request.designs) if name in new_names}
    either = [*designs, *originals]  # matching changes names, or what they stand for
    designs = list({design.name: design for design in designs}.values())  # the matched width may be one that was asked
    if settings.baseline is None:
        hidden = [design.name for design in designs if is_baseline_kind(design)]
        baseline = next((name for name in hidden if name not in floors), hidden[0])
    else:
        baseline = find_baseline(settings.baseline, either, request.base)
        baseline = new_names.get(baseline, baseline)
    primary = read_primary(settings.primary, either, request.base) or {}
    primary = {side: new_names.get(name, name) for side, name in primary.items()}
    return Lineup(designs, floors, baseline, primary or None)


def describe(request: Request, lineup: Lineup, prepared: Prepared) -> dict[str, Any]:
    """Write down everything that decides the study, and how it came to be."""
    settings = request.settings
    return {
        "format": 1,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": {name: version(name) for name in ("interfuse", "torch", "transformers", "numpy")},
        "machine": {"cpu": _cpu_name(), "cores": os.cpu_count(), "threads": settings.threads},
        "data": {**prepared.card, "fingerprint": prepared.info["fingerprint"]},
        "encoders": prepared.info["encoders"],
        "folds": request.source.read.folds or 1,
        "resplit": request.source.read.resplit,
        "seeds": list(range(request.source.read.resplit or settings.seeds)),
        **({"until_sure": settings.until_sure} if settings.until_sure else {}),
        "baseline": lineup.baseline,
        "margin": settings.margin,
        "metric": find_metric(settings.metric, prepared.features.task),
        "primary": lineup.primary,
        "precision": settings.precision,
        "threads": settings.threads,
        "designs": [
            {**to_plain(design), "key": design.key, "role": name_role(design, lineup.baseline, lineup.floors)}
            for design in lineup.designs
        ],
    }


def _fits_fast(prepared: Prepared) -> bool:
    """Whether linear models of these rows are fitted in seconds."""
    rows = max(len(split["train"]) for split in prepared.folds)
    return rows * len(prepared.features.label_names) <= LINEAR_WORK


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
