"""The main job: from rows to a verdict. Killed at any moment and started again, it finishes the same study."""

import dataclasses
import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from interfuse.core.design import NEEDS, Design, check_idle, parse_designs, read_designs
from interfuse.core.errors import ConfigError
from interfuse.core.files import read_json, write_json
from interfuse.core.progress import Progress, Silent
from interfuse.core.settings import to_plain
from interfuse.core.tasks import HEADLINES, LOWER_IS_BETTER
from interfuse.data import write_quarantine
from interfuse.evaluation import find_metric
from interfuse.training import Precision, leftovers
from interfuse.workflows.compare.floors import FLOORS, add_floors, is_baseline_kind, name_floors, name_role
from interfuse.workflows.compare.majority import write_majority
from interfuse.workflows.compare.match_parameters import match_all, match_concat
from interfuse.workflows.compare.request import Request, find_baseline, read_primary
from interfuse.workflows.compare.schedule import Resources, train_all
from interfuse.workflows.compare.trackers import open_tracker
from interfuse.workflows.compare.tune import FOLDER, SPACE, TuneSettings, tune
from interfuse.workflows.source import Source
from interfuse.workflows.study import EXAMPLES_FILE, Study, keep_examples
from interfuse.workflows.train import Prepared, RunContext, TrainingSet, is_done, make_training_set, prepare, tidy

ORIGINALS = "shared_cross_attention,shared_cross_attention:encoder_layers=1,shared_cross_attention:gate=glu"
RIVALS = "merged_attention,cross_attention"
SAME = ("designs", "seeds", "folds", "baseline", "margin", "metric", "primary", "precision", "threads", "encoders")
"""What a study that goes on must have been begun with."""
DEFAULT_FUSIONS = f"{FLOORS},{ORIGINALS},{RIVALS}"
"""The floors, the original's designs, and the token-level rivals."""


@dataclass(frozen=True)
class CompareSettings:
    """How a comparison is run; what each design is stands in the designs."""

    fusions: str | None = None
    """Designs, `concat,concat:hidden=512,…`; none: the floors, the original's designs and their rivals."""
    designs: Path | None = None
    """TOML file of designs instead."""
    base: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Settings that every design shares unless it says otherwise: dim, epochs, learning_rate, …"""
    baseline: str | None = None
    """Design that all are compared with; none: concat with a hidden layer, one asked for before the matched."""
    seeds: int = 5
    """Trainings of each design, seeds 0, 1, …"""
    margin: float = 0.01
    """Smallest difference worth a win, fraction 0 to 1, set before the study."""
    jobs: int | None = None
    """Trainings, or workers of a launcher, side by side; none: a training a CPU core, or one where a GPU works or all
    is done in seconds, and two workers."""
    launcher: str | None = None
    """`ray`: work on the workers of a Ray cluster, `jobs` at once; none: on this machine."""
    threads: int = 1
    """CPU threads, of each training where several run side by side."""
    precision: Precision = "auto"
    """Number format of the training step."""
    train_rows: int | None = None
    """Train on this many rows at most, drawn by picture; none: all."""
    metric: str | None = None
    """What the designs are compared by, as auc, macro-f1, map, declared beforehand; none: the task's headline."""
    primary: str | None = None
    """The one contrast that the study is made for, as `cross_attention vs merged_attention`, declared beforehand."""
    match_parameters: str | None = None
    """A count, or a design's name: every design is made as large, by its width `dim`."""
    tune: int = 0
    """Settings drawn for every design, the same for all; validation chooses each design's best. 0: none."""
    space: str = SPACE
    """What is drawn: `name=low..high` or `name=a|b|c`, joined by commas."""
    track: str | None = None
    """Send learning curves and scores to tensorboard or mlflow too."""


def compare(source: Source, out: Path, settings: CompareSettings, progress: Progress | None = None) -> Study:
    """Encode what is new, train what is missing, and give the study.

    Args:
        source: the rows and how to read and encode them.
        out: the study's folder; the same command on it again finishes or just reads it.
        settings: the comparison.
        progress: told how far it is.

    Raises:
        ConfigError: the settings cannot work, or `out` holds another comparison.
        DataError: the rows cannot be used.
    """
    watcher, start = progress or Silent(), time.perf_counter()
    _check(settings)
    track = open_tracker(settings.track, out)
    base = {**settings.base, **source.encoder_settings()}
    words = settings.metric, settings.baseline, settings.primary
    asked = Request(_list_designs(settings, base), base, *words, matched=settings.match_parameters is not None)
    check_idle(asked.designs, [name for name, other in NEEDS.items() if f"{other[0]}=" not in _drawn(settings)])
    asked.check("multiclass" if source.is_known else source.read.task)
    prepared = prepare(source, watcher, settings.train_rows, asked.look)
    designs = add_floors(asked.designs, base, prepared.features.task)
    bench = make_training_set(prepared.features, prepared.folds, designs)
    terms = RunContext(settings.precision, settings.threads, prepared.info, prepared.projections)
    named = designs, name_floors(base, asked.designs), base
    study = _open_or_begin(out, _settle(out, settings, named, (bench, terms, prepared), watcher))
    for left in leftovers(out):
        left.unlink(missing_ok=True)
    write_majority(out / "majority.parquet", bench)
    if prepared.examples and prepared.examples.troubles:
        write_quarantine(prepared.examples, out / "quarantine.csv")
        watcher.say(f"{len(prepared.examples.troubles):,} rows in trouble are listed in {out / 'quarantine.csv'}.")
    todo = [trial for trial in study.trials() if not is_done(trial, prepared.info)]
    for trial in study.trials():
        if trial not in todo:
            tidy(trial, terms)
            track.run(trial)
    train_all(bench, terms, todo, Resources(settings.jobs, settings.launcher), watcher, track.run)
    if todo:
        seconds = {"encode": prepared.encode_seconds, "total": time.perf_counter() - start}
        write_json(out / "study.json", {**study.record, "seconds": seconds})
    study = Study.open(out)
    if prepared.examples and (todo or not (out / EXAMPLES_FILE).is_file()):
        keep_examples(study, prepared.examples)
    study.report()
    return study


def _check(settings: CompareSettings) -> None:
    if settings.seeds < 1:
        raise ConfigError(f"A comparison needs at least 1 seed, got seeds={settings.seeds}.")
    if not 0 <= settings.margin < 1:
        raise ConfigError(
            f"The margin is a fraction from 0 to below 1, got {settings.margin:g}. For one point give 0.01."
        )
    if settings.tune < 0:
        raise ConfigError(f"--tune takes how many settings to draw, 0 or more, got {settings.tune}.")


def _settle(
    out: Path,
    settings: CompareSettings,
    named: tuple[list[Design], set[str], Mapping[str, Any]],
    ready: tuple[TrainingSet, RunContext, Prepared],
    watcher: Progress,
) -> dict[str, Any]:
    """Return the designs their sizes and, where asked, their tuned settings; write down what the study will be.

    `named`: the designs, which of their names are floors', and the settings that they share.
    """
    (given, names, base), (bench, terms, prepared) = named, ready
    designs = given
    if settings.match_parameters:
        designs, notes = match_all(designs, bench, settings.match_parameters)
        for note in notes:
            watcher.say(note)
    designs = match_concat(designs, bench)
    renamed = {old.name: design.name for old, design in zip(given, designs, strict=True)}
    floors = {new for old, new in renamed.items() if old in names}
    words = _read_words(settings, [*designs, *given], base, renamed)  # matching changes names, or what they stand for
    designs = list({design.name: design for design in designs}.values())  # the matched width may be one that was asked
    record = _describe(settings, designs, prepared, floors, words)
    if not settings.tune:
        return record
    by = HEADLINES["regression"] if record["metric"] in LOWER_IS_BETTER else record["metric"]  # ranked alike
    chosen = TuneSettings(settings.tune, settings.space, by, Resources(settings.jobs, settings.launcher))
    tuned = tune(out, bench, terms, designs, chosen, watcher)
    return {**_describe(settings, tuned.designs, prepared, floors, words), **tuned.record}


def _drawn(settings: CompareSettings) -> str:
    """Return what --tune draws; nothing without it."""
    return settings.space if settings.tune else ""


def _list_designs(settings: CompareSettings, base: Mapping[str, Any]) -> list[Design]:
    """Read the designs that were asked for."""
    if settings.designs and settings.fusions:
        raise ConfigError("Give --fusions or --designs, not both: the file can hold every design.")
    if settings.designs:
        return read_designs(settings.designs, base)
    return parse_designs(settings.fusions or DEFAULT_FUSIONS, base)


def _read_words(
    settings: CompareSettings, designs: list[Design], base: Mapping[str, Any], renamed: Mapping[str, str]
) -> tuple[str | None, dict[str, str] | None]:
    """Return the names, as they are now, of the baseline and of the primary contrast that were asked for."""
    baseline = None if settings.baseline is None else find_baseline(settings.baseline, designs, base)
    primary = read_primary(settings.primary, designs, base)
    told = {side: renamed.get(name, name) for side, name in (primary or {}).items()}
    return renamed.get(str(baseline), baseline), told or None


def _describe(
    settings: CompareSettings,
    designs: list[Design],
    prepared: Prepared,
    floors: set[str],
    words: tuple[str | None, dict[str, str] | None],
) -> dict[str, Any]:
    """Write down everything that decides the study, and how it came to be.

    `words`: the baseline and the primary contrast that were asked for.
    """
    hidden = [design.name for design in designs if is_baseline_kind(design)]
    asked, primary = words
    baseline = asked or next((name for name in hidden if name not in floors), hidden[0])
    return {
        "format": 1,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": {name: version(name) for name in ("interfuse", "torch", "transformers", "numpy")},
        "machine": {"cpu": _cpu_name(), "cores": os.cpu_count(), "threads": settings.threads},
        "data": {**prepared.card, "fingerprint": prepared.info["fingerprint"]},
        "encoders": prepared.info["encoders"],
        "folds": len(prepared.folds),
        "seeds": list(range(settings.seeds)),
        "baseline": baseline,
        "margin": settings.margin,
        "metric": find_metric(settings.metric, prepared.features.task),
        "primary": primary,
        "precision": settings.precision,
        "threads": settings.threads,
        "designs": [{**to_plain(d), "key": d.key, "role": name_role(d, baseline, floors)} for d in designs],
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _open_or_begin(out: Path, record: dict[str, Any]) -> Study:
    """Begin a study, or go on with the same one; refuse to mix two."""
    path = out / "study.json"
    if path.is_file():
        found = read_json(path)
        for name in SAME:
            before, now = (_pick(of, name) for of in (found, record))
            if before != now:
                raise ConfigError(_other_study(out, name, before, now))
        if found["data"]["fingerprint"] != record["data"]["fingerprint"]:
            raise ConfigError(_other_study(out, "data", found["data"]["source"], record["data"]["source"]))
        return Study(out, found)
    if out.is_dir() and set(out.iterdir()) - {*leftovers(out), *([out / FOLDER] if "tuning" in record else [])}:
        raise ConfigError(f"{out} is not empty and holds no study. Give another --out.")
    write_json(path, record)
    return Study(out, record)


def _pick(record: Mapping[str, Any], what: str) -> Any:
    """Return one part of what a study was begun with; the designs' roles follow from the others."""
    if what == "designs":
        return [{name: value for name, value in d.items() if name != "role"} for d in record.get("designs") or []]
    return record.get(what)


def _other_study(out: Path, what: str, found: Any, given: Any) -> str:
    if what == "designs":
        found, given = ([f"{d['name']} ({d['key'][:6]})" for d in designs] for designs in (found, given))
    verb = "are" if what.endswith("s") else "is"
    return f"{out} holds another comparison: its {what} {verb} {found}, now given: {given}. Give another --out."
