"""Is it really multimodal? Every measure of one trained network, as a record and a page."""

import time
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from interfuse.core.devices import limited_threads
from interfuse.core.diagnosis import Diagnosis, Example
from interfuse.core.errors import ConfigError, DataError
from interfuse.core.files import read_json, write_atomically, write_json
from interfuse.core.progress import Progress, Silent
from interfuse.core.records import read_table
from interfuse.core.tasks import HEADLINES
from interfuse.data import Examples, Features
from interfuse.evaluation import Contribution, say_seeds, say_spared
from interfuse.explain import logits_without
from interfuse.reports import Illustration, diagnosis_to_html, read_maps, read_words
from interfuse.settings import DiagnoseSettings
from interfuse.training import Run, load_run
from interfuse.workflows.diagnose.illustrate import illustrate
from interfuse.workflows.diagnose.measures import (
    STATES,
    RowLogits,
    absence_losses,
    measure_attention,
    measure_pairs,
    measure_rows,
    measure_trust,
    row_logits,
    take_rows,
)
from interfuse.workflows.diagnose.place import Place
from interfuse.workflows.predict import read_for_run
from interfuse.workflows.source import Source
from interfuse.workflows.study import EXAMPLES_FILE, Study

PREDICTIONS_FILE = "predictions.parquet"
"""What a run keeps of its validation and test rows."""
SHOWN = 12
"""Examples that the page shows."""


@dataclass(frozen=True)
class Findings:
    """The diagnosis of one training, and what each row adds to its numbers."""

    diagnosis: Diagnosis
    contributions: list[Contribution]


def diagnose_seeds(
    folder: Path | str,
    source: Source,
    settings: DiagnoseSettings | None = None,
    design: str | None = None,
    progress: Progress | None = None,
) -> list[Diagnosis]:
    """Diagnose every seed of one design of a study; the first is told how far the others agree with it.

    Its first measure has every number with an interval over rows and trainings.

    Each run gets its own record and page, as by `diagnose`. Of a study by folds these are the trainings of the first
    fold.

    Raises:
        ConfigError: each seed of the study has a split, and so test rows, of its own.
        DataError: the folder holds no study, or no such design.
    """
    study = Study.open(folder)
    if study.record.get("resplit"):
        raise ConfigError(
            f"{folder} splits its rows anew for each seed, so its trainings share no test rows to be put together on. "
            "Diagnose one of them: give the folder of its run, STUDY/runs/DESIGN/SEED."
        )
    first = open_for_diagnosis(folder, design)
    findings = [
        _examine(study.run(first.design.name, seed), source, settings or DiagnoseSettings(), progress)
        for seed in study.seeds_of(first.design.name)
    ]
    agreement = say_seeds([one.diagnosis for one in findings], [one.contributions for one in findings])
    diagnosis = replace(findings[0].diagnosis, measures=(agreement, *findings[0].diagnosis.measures))
    write_record(first, diagnosis)
    return [diagnosis, *(one.diagnosis for one in findings[1:])]


def open_for_diagnosis(folder: Path | str, design: str | None = None) -> Run:
    """Open a run, or of a study the run of its first seed of one design: by default the fusion of its verdict.

    Of a study by folds that is the training of the first fold.

    Raises:
        DataError: the folder holds neither, or no such design.
    """
    folder = Path(folder)
    if not (folder / "study.json").is_file():
        return load_run(folder)
    study = Study.open(folder)
    return study.run(design or study.best_fusion() or study.designs()[0].name)


def diagnose(
    run: Run,
    source: Source,
    settings: DiagnoseSettings | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Measure whether a network uses and needs both modalities; write `diagnosis.json` beside the run, and the page.

    Args:
        run: the trained network.
        source: labelled rows, and how to read and encode them.
        settings: how much to look at.
        out: the page; none: `diagnosis.html` beside the run.
        progress: told how far it is.

    Raises:
        DataError: the rows cannot be read, not one has a picture (is the image folder right?) or a text although they
            have a column, or the split is not there.
    """
    return _examine(run, source, settings or DiagnoseSettings(), progress, out).diagnosis


def _examine(
    run: Run, source: Source, settings: DiagnoseSettings, progress: Progress | None, out: Path | None = None
) -> Findings:
    """Diagnose a run, and return what each row adds beside."""
    watcher, start = progress or Silent(), time.perf_counter()
    features, examples = read_for_run(run, source, watcher, labelled=True, may_lack=False)
    splits, notes = find_splits(run, features)
    name, rows = _choose(splits, settings.on, len(features.ids))
    sample = take_rows(rows, settings.rows, settings.seed)
    place = Place.of(run.folder)
    notes += place.list_notes(run.task)
    if len(sample) < len(rows):
        notes.append(f"Pairs are those of {len(sample):,} of the {len(rows):,} {name} rows, drawn with a seed.")
    with limited_threads(settings.threads):
        watcher.start("pairs", _count_pairs(features, sample), "pairs")
        pairs = measure_pairs(run.network, features, sample, lambda done: watcher.advance("pairs", done))
        watcher.finish("pairs")
        watcher.start("rows", len(STATES) * len(rows), "rows")
        states = row_logits(run.network, features, rows, lambda done: watcher.advance("rows", done))
        watcher.finish("rows")
        doubts = _doubts(run)
        row_findings = measure_rows(states, doubts)
        verdict = pairs.verdict + ("" if doubts else say_spared(pairs.permutation, absence_losses(states)))
        trust = measure_trust(states, _validation(run, features, splits, name))
        looks = measure_attention(run.network, features, sample)
        needing = row_findings.needs_both.rows
        gallery = _examples(features, examples, rows, states, needing)
        pictures = illustrate(run, features, examples, _rows_to_draw(run, features, rows[needing[:SHOWN]]))
    diagnosis = Diagnosis(
        run=place.name(run.design.name, int(run.info["seed"])),
        design=run.design.name,
        fusion=run.design.fusion,
        seed=int(run.info["seed"]),
        source=Path(str(source.data)).name if isinstance(source.data, str | Path) else "data frame",
        split=name,
        metric=HEADLINES[run.task],
        verdict=verdict,
        measures=(*pairs.measures, *row_findings.measures, *trust, looks),
        examples=tuple(gallery),
        notes=tuple(notes),
        seconds=time.perf_counter() - start,
        version=version("interfuse"),
    )
    write_json(run.folder / "illustrations.json", {str(row): asdict(drawing) for row, drawing in pictures.items()})
    write_record(run, diagnosis, out)
    return Findings(diagnosis, [*pairs.contributions, *row_findings.contributions])


def write_record(run: Run, diagnosis: Diagnosis, out: Path | None = None) -> None:
    """Write `diagnosis.json` beside the run, and the page with the pictures that are there."""
    write_json(run.folder / "diagnosis.json", diagnosis.plain())
    drawings = read_json(run.folder / "illustrations.json")
    pictures = {
        int(row): Illustration(one["pictures"], read_words(one["words"]), read_maps(one.get("maps")))
        for row, one in drawings.items()
    }
    page = diagnosis_to_html(diagnosis, pictures)
    write_atomically(out or run.folder / "diagnosis.html", lambda path: path.write_text(page, encoding="utf-8"))


def _rows_to_draw(run: Run, features: Features, needing: Tensor) -> Tensor:
    """Add to the rows that need both those which the report of the run's study shows with picture and text."""
    path = next((p / EXAMPLES_FILE for p in run.folder.parents[2:4] if (p / EXAMPLES_FILE).is_file()), None)
    if path is None:
        return needing
    keys = {(row["row"], row["id"]) for row in read_table(path).select(["row", "id"]).to_pylist()}
    numbers = set(needing.tolist())
    for at, key in enumerate(zip(features.rows.tolist(), features.ids, strict=True)):
        if key in keys and features.image_items[at] >= 0 and features.text_items[at] >= 0:
            numbers.add(at)
    return torch.tensor(sorted(numbers), dtype=torch.int64)


def find_splits(run: Run, features: Features) -> tuple[dict[str, Tensor], list[str]]:
    """Find which rows are test and validation: as the run remembers its own rows, else as DATA declares them."""
    declared = {name: rows for name, rows in features.splits.items() if len(rows)}
    own = _remembered(run, features)
    if own is None:
        if set(declared) - {"all"}:
            return declared, []
        return declared, [
            "DATA declares no split and is not the table that the run was trained with: all of its rows are used. "
            "Rows that the run was trained on make it look better than it is."
        ]
    known = {row for rows in own.values() for row in rows.tolist()}
    others = {name: [row for row in rows.tolist() if row not in known] for name, rows in declared.items()}
    splits = own | {name: torch.tensor(rows) for name, rows in others.items() if rows and name not in (*own, "all")}
    same = all(set(own[name].tolist()) == set(declared.get(name, torch.empty(0)).tolist()) for name in own)
    return splits, [] if same else ["The rows are those that the run was trained with: its own split is used."]


def _remembered(run: Run, features: Features) -> dict[str, Tensor] | None:
    """Find the run's own validation and test rows in DATA; None where one of them is not there as it was."""
    record = run.folder / PREDICTIONS_FILE
    if not record.is_file():
        return None
    place = {(row, name): at for at, (row, name) in enumerate(zip(features.rows.tolist(), features.ids, strict=True))}
    known: dict[str, list[int]] = {}
    for row in read_table(record).select(["row", "id", "split", "label", "target"]).to_pylist():
        at = place.get((row["row"], row["id"]))
        if at is None or _label(features, at) != (row["label"] if row["target"] is None else row["target"]):
            return None
        known.setdefault(row["split"], []).append(at)
    return {name: torch.tensor(rows) for name, rows in known.items()}


def _label(features: Features, row: int) -> list[int] | float:
    label = features.labels[row]
    if features.task == "regression":
        return float(label)
    return np.flatnonzero(label.numpy()).tolist() if label.ndim else [int(label)]


def _choose(splits: dict[str, Tensor], split: str | None, count: int) -> tuple[str, Tensor]:
    if split == "all":
        return "all", torch.arange(count)
    names = ("test", "validation", "all") if split is None else (split,)
    for name in names:
        if len(splits.get(name, ())) > 1:
            return name, splits[name]
    raise DataError(f"There is no row in split {split!r}. DATA has: {', '.join(splits) or 'none'}.")


def _count_pairs(features: Features, rows: Tensor) -> int:
    return len(features.image_items[rows].unique()) * len(features.text_items[rows].unique())


def _doubts(run: Run) -> tuple[str, ...]:
    """Return a warning where the absent token of a modality was never trained."""
    words = [
        word
        for modality, word in (("image", "an image"), ("text", "a text"))
        if not run.info["trained_on_missing"][modality]
    ]
    if not words:
        return ()
    return (
        f"The run never trained on rows without {' or '.join(words)}: the absent token is untrained, so what is "
        "measured with it tells little. Fix: train with modality_dropout=0.1.",
    )


def _validation(
    run: Run, features: Features, splits: dict[str, Tensor], split: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return logits and labels to fit a temperature on: of the run's own validation rows, else of those in DATA.

    None where these rows are looked at themselves.
    """
    rows = splits.get("validation")
    if split == "validation" or (split == "all" and rows is not None):
        return None
    own = _own_validation(run, features)
    if own is not None or rows is None or len(rows) == 0:
        return own
    return logits_without(run.network, features, rows).numpy(), features.labels[rows].numpy()


def _own_validation(run: Run, features: Features) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the logits, up to what no probability sees, and labels of the validation rows that the run kept."""
    record = run.folder / PREDICTIONS_FILE
    if features.task == "regression" or not record.is_file():
        return None
    records = [row for row in read_table(record).to_pylist() if row["split"] == "validation"]
    classes = len(features.label_names)
    if not records or any(len(row["probs"]) != classes for row in records):
        return None
    probs = np.clip(np.array([row["probs"] for row in records], dtype=np.float64), 1e-12, 1.0)
    if features.task == "multilabel":
        hot = np.array([np.isin(np.arange(classes), row["label"]) for row in records], dtype=np.float32)
        return np.log(probs) - np.log(np.clip(1 - probs, 1e-12, 1.0)), hot
    return np.log(probs), np.array([row["label"][0] for row in records])


def _examples(
    features: Features, examples: Examples | None, rows: Tensor, states: RowLogits, needing: np.ndarray
) -> list[Example]:
    """Describe the rows that need both."""
    table = examples.table if examples is not None else None
    gallery = []
    for number in needing[:SHOWN].tolist():
        row = int(rows[number])
        picture = table["image"][row].as_py() if table is not None else None
        gallery.append(
            Example(
                row=int(features.rows[row]),
                id=features.ids[row],
                text=table["text"][row].as_py() if table is not None else None,
                label=_spell(features, np.asarray(states.labels[number]), label=True),
                image_answer=_spell(features, states.logits["image"][number]),
                text_answer=_spell(features, states.logits["text"][number]),
                image=Path(picture).name if picture else None,
            )
        )
    return gallery


def _spell(features: Features, values: np.ndarray, label: bool = False) -> str:
    if features.task == "regression":
        return f"{float(values.item()):.4g}"
    if features.task == "multilabel":
        chosen = np.flatnonzero(values > (0.5 if label else 0.0))
        return ", ".join(features.label_names[number] for number in chosen) or "none"
    return features.label_names[int(values) if label else int(values.argmax())]
