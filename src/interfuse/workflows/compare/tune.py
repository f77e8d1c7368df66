"""Tune the hyperparameters of every design with the same draws; validation chooses, test is never looked at."""

import json
import math
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from torch import arange

from interfuse.core.design import Design, read_scalar
from interfuse.core.errors import ConfigError, require, unknown
from interfuse.core.files import read_json, write_json
from interfuse.core.progress import Progress
from interfuse.core.settings import build, fingerprint, to_plain
from interfuse.settings import SPACE
from interfuse.training import leftovers
from interfuse.workflows.compare.schedule import Resources, train_all
from interfuse.workflows.study import TUNING_FOLDER
from interfuse.workflows.train import RunContext, TrainingSet, Trial, is_done, read_failure

SEED = 1_000
"""Of every training of the tuning, and of the draws: no seed that a study trains with."""
FIXED = {
    "fusion",
    "name",
    "settings",
    "model",
    "pool",
    "image_encoder",
    "text_encoder",
    "image_size",
    "store_dtype",
    "store_dim",
}
"""Fields of a design that are no matter of tuning."""
ROOM = {"fusion": "concat", "contrastive": 1.0, "epochs": 1_000_000}
"""What a setting of the space is tried with: a design that refuses none for the sake of another setting."""
DECADE = 10.0
"""A range whose ends differ by this factor or more is drawn on a logarithmic scale."""


@dataclass(frozen=True)
class TuneSettings:
    """How the hyperparameters of designs are tuned."""

    draws: int
    """Settings drawn, the same for every design; each design's own settings are tried besides."""
    space: str = SPACE
    """`name=low..high` and `name=a|b|c`, joined by commas; names of `Design` fields."""
    metric: str = "accuracy"
    """What validation is scored by."""
    resources: Resources = field(default_factory=Resources)
    """Where the trainings run."""
    seed: int = SEED
    """Of the draws, and of every training of the tuning."""


@dataclass(frozen=True)
class Tuned:
    """What tuning found."""

    designs: list[Design]
    """Every design with its best settings, under its old name."""
    record: dict[str, Any]
    """What the study's record says of it: `tuning` and `trials`."""


def tune(
    out: Path,
    training_set: TrainingSet,
    context: RunContext,
    designs: list[Design],
    settings: TuneSettings,
    progress: Progress,
) -> Tuned:
    """Train every design with every draw (random search), and keep for each what was best on validation.

    A training that fails (its loss became infinite, or the design refuses the draw) has no score and is never chosen.
    Killed and started again, tuning goes on where it was.

    Args:
        out: the study's folder; runs go to `tuning/`, without weights.
        training_set: the rows; one split.
        context: what all trainings share.
        designs: of the study.
        settings: how many draws, from what space.
        progress: told how far it is.

    Raises:
        ConfigError: there are several folds, the space cannot be read, or `out` was tuned otherwise.
        ExtraMissingError: Optuna is not installed.
    """
    if len(training_set.folds) > 1:
        raise ConfigError(
            "tune=… needs one split: what one fold validates on, another is tested on. Give split=…, or no folds=…."
        )
    draws = [{}, *draw(settings.space, settings.draws, settings.seed)]
    trials = {d.name: [_trial(out, d, n, values, settings.seed) for n, values in enumerate(draws)] for d in designs}
    _begin(out, context, designs, settings)
    fold = training_set.folds[0]
    blind = replace(training_set, folds=({**fold, "test": arange(0)},))
    todo = [t for runs in trials.values() for t in runs if t is not None and not is_done(t, context.info)]
    if todo:
        progress.say(f"Tuning: {settings.draws} draws of {settings.space} and the own settings of each design.")
        train_all(blind, context, todo, settings.resources, progress)
    scores = {name: [_score(trial, settings.metric) for trial in runs] for name, runs in trials.items()}
    best = {name: _best(numbers) for name, numbers in scores.items()}
    winners = [_with(design, draws[best[design.name]]) for design in designs]
    request = {"space": settings.space, "metric": settings.metric, "seed": settings.seed}
    record = {**request, "draws": draws[1:], "chosen": best}
    return Tuned(winners, {"tuning": record, "trials": {name: numbers[1:] for name, numbers in scores.items()}})


def draw(space: str, count: int, seed: int = SEED) -> list[dict[str, Any]]:
    """Draw hyperparameters from a space, by Optuna's random sampler; the same arguments give the same draws.

    Raises:
        ConfigError: the space cannot be read.
        ExtraMissingError: Optuna is not installed.
    """
    optuna = require("optuna", "tune")
    distributions = {name: _distribution(optuna, name, text) for name, text in _split(space).items()}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [dict(study.ask(distributions).params) for _ in range(count)]


def _split(space: str) -> dict[str, str]:
    known = {field.name for field in fields(Design)} - FIXED
    texts = {}
    for part in filter(None, (part.strip() for part in space.split(","))):
        name, equals, text = part.partition("=")
        if not equals or not text:
            raise ConfigError(f"Cannot read {part!r} in the space: write name=low..high or name=a|b|c.")
        if name not in known:
            raise ConfigError(unknown("setting to tune", name, sorted(known)))
        texts[name] = text
    if not texts:
        raise ConfigError("The space to tune in is empty: write name=low..high or name=a|b|c, joined by commas.")
    return texts


def _distribution(optuna: Any, name: str, text: str) -> Any:
    """Read `low..high` or `a|b|c`."""
    if ".." not in text:
        choices = [getattr(build(Design, "the space", {**ROOM, name: word}), name) for word in text.split("|")]
        return optuna.distributions.CategoricalDistribution(choices)
    whole = get_type_hints(Design)[name] is int
    low, high = (read_scalar(end) for end in text.split("..", 1))
    numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
    if not numbers or not low < high:  # type: ignore[operator]
        raise ConfigError(f"Cannot read {name}={text} in the space: write two numbers, the lower first, as 0.1..0.5.")
    for end in (low, high):
        if isinstance(end, float) and whole:
            raise ConfigError(f"{name} is a whole number, got {name}={text} in the space: write it as 1..3.")
        build(Design, "the space", {**ROOM, name: end})
    log = low > 0 and high >= DECADE * low  # type: ignore[operator]
    make = optuna.distributions.IntDistribution if whole else optuna.distributions.FloatDistribution
    return make(low, high, log=log)


def _trial(out: Path, design: Design, number: int, values: dict[str, Any], seed: int) -> Trial | None:
    """Return the training of a design with a draw; None where the design refuses it."""
    try:
        variant = _with(design, values)
    except ConfigError:
        return None
    return Trial(variant, seed, 0, out / TUNING_FOLDER / design.slug / f"{number:03d}", tuning=True)


def _with(design: Design, values: dict[str, Any]) -> Design:
    return build(Design, f"design {design.name!r} with a draw", {**to_plain(design), **values})


def _score(trial: Trial | None, metric: str) -> float | None:
    """Return a training's validation score; None where it failed."""
    if trial is None or read_failure(trial):
        return None
    score = read_json(trial.folder / "run.json")["metrics"]["validation"].get(metric)
    return float(score) if score is not None and math.isfinite(score) else None


def _best(scores: list[float | None]) -> int:
    """Choose the number of the best score; a failed training is below any score: R² may be far below 0."""
    ranks = [-math.inf if score is None else score for score in scores]
    return max(range(len(ranks)), key=lambda number: ranks[number])


def _begin(out: Path, context: RunContext, designs: list[Design], settings: TuneSettings) -> None:
    """Write down what is tuned, or refuse to mix two tunings."""
    path = out / TUNING_FOLDER / "tuning.json"
    request = {"draws": settings.draws, "space": settings.space, "metric": settings.metric}
    identity = {"fingerprint": context.info["fingerprint"], "designs": fingerprint([d.key for d in designs]), **request}
    if path.is_file():
        record = read_json(path)
        if record != json.loads(json.dumps(identity)):
            other = [name for name in identity if record.get(name) != identity[name]]
            raise ConfigError(f"{out} was tuned otherwise (other {', '.join(other)}). Give another out=….")
        return
    if out.is_dir() and set(out.iterdir()) - set(leftovers(out)):
        raise ConfigError(f"{out} is not empty and holds no tuning. Give another out=….")
    write_json(path, identity)
