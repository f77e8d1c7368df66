"""The main job: from rows to a verdict. Killed at any moment and started again, it finishes the same study."""

import dataclasses
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

import numpy as np
import pyarrow as pa

from interfuse.core.design import Design, make_design, parse_designs, read_designs
from interfuse.core.errors import ConfigError
from interfuse.core.files import read_json, write_json
from interfuse.core.progress import Progress, Silent
from interfuse.core.records import write_table
from interfuse.core.settings import to_plain
from interfuse.data import Features, write_quarantine
from interfuse.evaluation import example_scores
from interfuse.training import Precision, count_parameters, leftovers, match_hidden, train
from interfuse.training.network import Network
from interfuse.workflows.bench import Bench, make_bench
from interfuse.workflows.by_metric import find_metric
from interfuse.workflows.evidence import EXAMPLES_FILE
from interfuse.workflows.gallery import keep_examples
from interfuse.workflows.prepare import Prepared, Source, prepare
from interfuse.workflows.runs import Terms, Trial, is_done, limited_threads, run_trials, tidy
from interfuse.workflows.study import Study

FLOORS = "image_only,text_only,concat,concat:hidden=match"
MATCHING_FLOOR = "two_tower:contrastive=1"
"""What every comparison of matching shows besides."""
ORIGINALS = "shared_cross_attention,shared_cross_attention:encoder_layers=1,shared_cross_attention:gate=glu"
RIVALS = "merged_attention,cross_attention"
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
    """Design that all are compared with; none: concat with a hidden layer."""
    seeds: int = 5
    """Trainings of each design, seeds 0, 1, …"""
    margin: float = 0.01
    """Smallest difference worth a win, fraction 0 to 1, set before the study."""
    jobs: int | None = None
    """Trainings side by side; none: one a CPU core, or one where a GPU works or all is done in seconds."""
    threads: int = 1
    """CPU threads of each training."""
    precision: Precision = "auto"
    """Number format of the training step."""
    train_rows: int | None = None
    """Train on this many rows at most, drawn by picture; none: all."""
    metric: str | None = None
    """What the designs are compared by, declared beforehand; none: the task's headline."""


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
    if settings.seeds < 1:
        raise ConfigError(f"A comparison needs at least 1 seed, got seeds={settings.seeds}.")
    if not 0 <= settings.margin < 1:
        raise ConfigError(
            f"The margin is a fraction from 0 to below 1, got {settings.margin:g}. For one point give 0.01."
        )
    designs = _list_designs(settings, source)
    prepared = prepare(source, watcher, settings.train_rows)
    if prepared.features.task == "matching" and not any(design.fusion == "two_tower" for design in designs):
        designs += parse_designs(MATCHING_FLOOR, {**settings.base, **source.encoder_settings()})
    bench = make_bench(prepared.features, prepared.folds, designs)
    designs = [_match(design, designs, bench) for design in designs]
    study = _open_or_begin(out, _describe(settings, designs, prepared))
    for left in leftovers(out):
        left.unlink(missing_ok=True)
    _write_majority(out / "majority.parquet", bench)
    if prepared.examples and prepared.examples.troubles:
        write_quarantine(prepared.examples, out / "quarantine.csv")
        watcher.say(f"{len(prepared.examples.troubles):,} rows in trouble are listed in {out / 'quarantine.csv'}.")
    terms = Terms(settings.precision, settings.threads, prepared.info, prepared.projections)
    todo = [trial for trial in study.trials() if not is_done(trial, prepared.info)]
    for trial in study.trials():
        if trial not in todo:
            tidy(trial, terms)
    _train_all(bench, terms, todo, settings.jobs, watcher)
    if todo:
        seconds = {"encode": prepared.encode_seconds, "total": time.perf_counter() - start}
        write_json(out / "study.json", {**study.record, "seconds": seconds})
    study = Study.open(out)
    if prepared.examples and (todo or not (out / EXAMPLES_FILE).is_file()):
        keep_examples(study, prepared.examples)
    study.report()
    return study


def _list_designs(settings: CompareSettings, source: Source) -> list[Design]:
    """Read the designs that were asked for and add the floors that every table shows."""
    base = {**settings.base, **source.encoder_settings()}
    if settings.designs and settings.fusions:
        raise ConfigError("Give --fusions or --designs, not both: the file can hold every design.")
    asked = (
        read_designs(settings.designs, base)
        if settings.designs
        else parse_designs(settings.fusions or DEFAULT_FUSIONS, base)
    )
    have = {(design.fusion, bool(design.settings.get("hidden"))) for design in asked}
    floors = [design for design in parse_designs(FLOORS, base) if _kind(design) not in have]
    return floors + asked


def _kind(design: Design) -> tuple[str, bool]:
    return design.fusion, bool(design.settings.get("hidden"))


def _match(design: Design, designs: list[Design], bench: Bench) -> Design:
    """Resolve `hidden=match` to the width that gives concat as many parameters as the largest other design."""
    if design.settings.get("hidden") != "match":
        return design
    classes, task = len(bench.features.label_names), bench.features.task
    others = [other for other in designs if other.settings.get("hidden") != "match"]
    sizes = [count_parameters(Network(d, *bench.rows_for(d, 0)[1], classes, task)) for d in others]
    hidden = match_hidden(design, *bench.rows_for(design, 0)[1], classes, max(sizes))
    plain = {name: value for name, value in to_plain(design).items() if name not in ("fusion", "settings", "name")}
    named = make_design(design.fusion, {**design.settings, "hidden": hidden}, plain)
    return replace(named, name=design.name.replace("match", str(hidden)))


def _describe(settings: CompareSettings, designs: list[Design], prepared: Prepared) -> dict[str, Any]:
    """Write down everything that decides the study, and how it came to be."""
    baseline = settings.baseline or next(d.name for d in designs if _kind(d) == ("concat", True))
    names = [design.name for design in designs]
    if baseline not in names:
        raise ConfigError(f"The baseline {baseline!r} is no design of this comparison. It has: {', '.join(names)}.")
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
        "precision": settings.precision,
        "threads": settings.threads,
        "designs": [{**to_plain(d), "key": d.key, "role": _role(d, baseline)} for d in designs],
    }


def _role(design: Design, baseline: str) -> str:
    if design.name == baseline:
        return "baseline"
    return (
        "floor" if design.fusion in ("image_only", "text_only") or _kind(design) == ("concat", False) else "contender"
    )


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
        for name in ("designs", "seeds", "folds", "baseline", "margin", "metric", "precision", "threads", "encoders"):
            if found.get(name) != record[name]:
                raise ConfigError(_other_study(out, name, found.get(name), record[name]))
        if found["data"]["fingerprint"] != record["data"]["fingerprint"]:
            raise ConfigError(_other_study(out, "data", found["data"]["source"], record["data"]["source"]))
        return Study(out, found)
    if out.is_dir() and set(out.iterdir()) - set(leftovers(out)):
        raise ConfigError(f"{out} is not empty and holds no study. Give another --out.")
    write_json(path, record)
    return Study(out, record)


def _other_study(out: Path, what: str, found: Any, given: Any) -> str:
    if what == "designs":
        found, given = ([f"{d['name']} ({d['key'][:6]})" for d in designs or []] for designs in (found, given))
    verb = "are" if what.endswith("s") else "is"
    return f"{out} holds another comparison: its {what} {verb} {found}, now given: {given}. Give another --out."


def _write_majority(path: Path, bench: Bench) -> None:
    """Score the answer that ignores both modalities: the train rows' most frequent label, or their mean number."""
    features, parts = bench.features, []
    for split in bench.folds:
        constant = _majority_probs(features, split["train"].numpy())
        for name in ("validation", "test"):
            rows = split[name]
            probs = np.tile(constant, (len(rows), 1))
            scores = example_scores(probs, features.labels[rows].numpy(), features.task)
            columns = {
                "row": features.rows[rows].tolist(),
                "split": [name] * len(rows),
                "score": scores.astype(float),
                "probs": pa.array(list(probs.astype(np.float32)), pa.list_(pa.float32())),
            }
            parts.append(pa.table(columns))
    write_table(path, pa.concat_tables(parts))


def _majority_probs(features: Features, rows: np.ndarray) -> np.ndarray:
    labels, classes = features.labels.numpy()[rows], len(features.label_names)
    if features.task == "regression":
        return np.asarray([labels.mean(dtype=np.float64)])
    if features.task == "multilabel":
        frequency = labels.mean(0)
        chosen = frequency >= min(0.5, float(frequency.max()))
        return np.asarray(chosen, dtype=np.float32)
    constant = np.zeros(classes, dtype=np.float32)
    constant[np.bincount(labels, minlength=classes).argmax()] = 1.0
    return constant


def _train_all(bench: Bench, terms: Terms, todo: list[Trial], jobs: int | None, progress: Progress) -> None:
    """Forecast the cost, then train what is missing, the longest first within each seed."""
    if not todo:
        progress.say("Every training of this study is already on disk: nothing to train.")
        return
    pace = _pace(bench, terms, todo)
    cost = [_steps(bench, trial) * pace[trial.design.key] for trial in todo]
    total = sum(cost)
    cores = os.cpu_count() or 1
    fitting = 1 if terms.info.get("device", "cpu") != "cpu" else max(1, cores // terms.threads)
    chosen = jobs or (1 if total < 20 else fitting)
    order = [
        trial
        for _, _, trial in sorted(
            zip((t.seed for t in todo), (-c for c in cost), todo, strict=True), key=lambda e: e[:2]
        )
    ]
    steps = sum(_steps(bench, trial) for trial in todo)
    at_once = f", {chosen} at once" if chosen > 1 else ""
    progress.say(f"Plan: {len(todo)} trainings, {steps:,} steps{at_once}; forecast {_duration(total / chosen)}.")
    progress.start("train", steps, "steps")
    left = len(todo)
    for trial in run_trials(bench, terms, order, chosen, lambda done, note: progress.advance("train", done, note)):
        left -= 1
        progress.advance("train", 0, f"{trial.design.name} seed {trial.seed} done, {left} trainings left")
    progress.finish("train")


def _pace(bench: Bench, terms: Terms, todo: list[Trial]) -> dict[str, float]:
    """Measure seconds a step of each design (by key) on a few steps, validation's share included."""
    measured: dict[str, float] = {}
    for trial in todo:
        if trial.design.key in measured:
            continue
        features, specs = bench.rows_for(trial.design, trial.fold)
        short = {**features.splits, "train": features.splits["train"][: 3 * trial.design.batch_size]}
        short["validation"] = features.splits["validation"][:1]
        with limited_threads(terms.threads):
            trained = train(
                replace(trial.design, epochs=1),
                0,
                replace(features, splits=short),
                specs,
                terms.precision,
                device=terms.info["device"],
            )
        measured[trial.design.key] = 1.15 * trained.seconds / trained.history[-1]["step"]
    return measured


def _steps(bench: Bench, trial: Trial) -> int:
    rows = len(bench.folds[trial.fold]["train"])
    return -(-rows // trial.design.batch_size) * trial.design.epochs


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
