"""Test rows to look at: written once at the end of a comparison, so that its report needs no data."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interfuse.core.modalities import MODALITIES
from interfuse.core.records import EXAMPLES, read_table, write_table
from interfuse.data import Examples, PictureError, open_picture
from interfuse.evaluation import RIGHT
from interfuse.fusion import FUSIONS
from interfuse.workflows.study.report_details import EXAMPLES_FILE
from interfuse.workflows.study.study import Study

EACH = {"needs both": 8, "wrong with both": 8, "missing image": 4, "missing text": 4}
"""Most rows of each kind."""
SIDE = 208
"""Longer side of a picture in pixels."""
LETTERS = 320
"""Letters of a text that are kept."""


class RowKey(NamedTuple):
    """What tells a row from the others: a source's row may give several."""

    row: int
    """Number in the source."""
    id: str


@dataclass(frozen=True)
class Answers:
    """What one design answers to the test rows, the mean over seeds."""

    keys: list[RowKey]
    probs: np.ndarray
    scores: np.ndarray
    labels: list[dict[str, Any]]
    """label and target of each row."""


def keep_examples(study: Study, examples: Examples) -> None:
    """Write the rows to look at: of the fusion that the verdict speaks of, beside the designs that see one modality."""
    folders: dict[str, dict[int, list[Path]]] = {}
    for trial in study.trials():
        folders.setdefault(trial.design.name, {}).setdefault(trial.seed, []).append(trial.folder)
    sees = {d.name: FUSIONS.entry(d.fusion).build.modalities for d in study.designs() if not d.linear}
    alone = {modality: name for name, modalities in sees.items() if len(modalities) == 1 for modality in modalities}
    fusion = study.best_fusion()
    if fusion is None:
        return
    seeds = 1 if study.record.get("resplit") else None  # each seed's test rows are others there: the first's are shown
    answers = {name: read_answers(list(folders[name].values())[:seeds]) for name in (fusion, *alone.values())}
    write_gallery(study.folder / EXAMPLES_FILE, examples, answers, fusion, alone)


def read_answers(folders: Sequence[Sequence[Path]]) -> Answers:
    """Read one design's test predictions.

    Args:
        folders: for each seed the folders of its folds.
    """
    probs, scores = [], []
    for seed in folders:
        table = pa.concat_tables([_read_split(folder, "test") for folder in seed])
        table = table.sort_by([("row", "ascending"), ("id", "ascending")])
        probs.append(table["probs"].combine_chunks().flatten().to_numpy().reshape(len(table), -1))
        scores.append(table["score"].to_numpy())
    keys = _keys(table)
    labels = table.select(["label", "target"]).to_pylist()
    return Answers(keys, np.mean(probs, 0), np.mean(scores, 0), labels)


def write_gallery(
    path: Path, examples: Examples, answers: Mapping[str, Answers], fusion: str, alone: Mapping[str, str]
) -> None:
    """Choose rows and write them with a small picture.

    Args:
        path: the file.
        examples: the rows.
        answers: of the fusion and of what sees one modality, by the design's name.
        fusion: the design to look at.
        alone: modality to the design that sees it alone; none where the study has no such design.
    """
    place = {key: at for at, key in enumerate(_keys(examples.table))}
    both = answers[fusion]
    columns = {name: examples.table[name] for name in ("image", "image_key", "text", "text_key")}
    rows = []
    for kind, number in choose_rows(both, {m: answers[d] for m, d in alone.items()}, examples, place):
        at = place[both.keys[number]]
        row = {name: column[at].as_py() for name, column in columns.items()}
        floors = {
            f"{modality}_answer": spell_answer(answers[design].probs[number], examples)
            for modality, design in alone.items()
        }
        rows.append(
            {
                "kind": kind,
                "row": both.keys[number].row,
                "id": both.keys[number].id,
                "text": None if row["text_key"] is None else _cut(row["text"]),
                "label": spell_label(both.labels[number], examples),
                "design": fusion,
                "answer": spell_answer(both.probs[number], examples),
                "score": float(both.scores[number]),
                "picture": None if row["image_key"] is None else _thumbnail(row["image"]),
                **floors,
            }
        )
    write_table(path, pa.Table.from_pylist(rows, schema=EXAMPLES))


def choose_rows(
    both: Answers, alone: Mapping[str, Answers], examples: Examples, place: Mapping[RowKey, int]
) -> list[tuple[str, int]]:
    """Choose rows of each kind, the clearest first and of as many labels as there are; a row is shown once.

    Clear is what has much probability on the truth with both and little with one, or the least on it with both. Right
    is an answer of the mean over seeds that equals the truth.
    """
    known = [number for number, key in enumerate(both.keys) if key in place]
    keys = {m: examples.table[f"{m}_key"].to_pylist() for m in MODALITIES}
    missing = {m: [n for n in known if keys[m][place[both.keys[n]]] is None] for m in keys}
    whole = sorted(set(known) - set(missing["image"]) - set(missing["text"]))
    right, truth = find_right(both, examples), _confidence(both)
    kinds = {"needs both": [], "wrong with both": sorted((n for n in whole if not right[n]), key=lambda n: truth[n])}
    if len(alone) == 2:
        either = np.any([find_right(one, examples) for one in alone.values()], axis=0)
        best = np.max([_confidence(one) for one in alone.values()], axis=0)
        kinds["needs both"] = sorted((n for n in whole if right[n] and not either[n]), key=lambda n: best[n] - truth[n])
    for modality, rows in missing.items():
        kinds[f"missing {modality}"] = rows
    return [(kind, n) for kind, rows in kinds.items() for n in _vary(rows, both, EACH[kind])]


def find_right(answers: Answers, examples: Examples) -> np.ndarray:
    """Find which answers are the truth, word for word."""
    pairs = zip(answers.probs, answers.labels, strict=True)
    return np.asarray([spell_answer(probs, examples) == spell_label(label, examples) for probs, label in pairs])


def spell_answer(probs: np.ndarray, examples: Examples) -> str:
    """Write what is answered: the likeliest class, all classes from one half, or the number."""
    if examples.task == "regression":
        return f"{float(probs[0]):.4g}"
    if examples.task == "multilabel":
        return ", ".join(examples.label_names[n] for n in np.flatnonzero(probs >= RIGHT)) or "none"
    return examples.label_names[int(np.argmax(probs))]


def spell_label(label: Mapping[str, Any], examples: Examples) -> str:
    """Write the truth."""
    if examples.task == "regression":
        return f"{label['target']:.4g}"
    return ", ".join(examples.label_names[n] for n in label["label"]) or "none"


def _confidence(answers: Answers) -> np.ndarray:
    """Return the probability of the truth; for several labels or a number the score itself."""
    single = [row["label"][0] if len(row["label"] or []) == 1 else None for row in answers.labels]
    return np.asarray(
        [
            answers.probs[n][label] if label is not None and label < answers.probs.shape[1] else answers.scores[n]
            for n, label in enumerate(single)
        ]
    )


def _vary(rows: Sequence[int], answers: Answers, count: int) -> list[int]:
    """Take rows in order, but first one of each label, then a second of each, and so on."""
    counts: dict[str, int] = {}
    ranked = []
    for order, row in enumerate(rows):
        label = str(answers.labels[row])
        ranked.append((counts.setdefault(label, 0), order, row))
        counts[label] += 1
    return [row for *_, row in sorted(ranked)[:count]]


def _read_split(folder: Path, split: str) -> pa.Table:
    table = read_table(folder / "predictions.parquet")
    return table.filter(pc.equal(table["split"], split))


def _keys(table: pa.Table) -> list[RowKey]:
    return [RowKey(*key) for key in zip(table["row"].to_pylist(), table["id"].to_pylist(), strict=True)]


def _cut(text: str) -> str:
    return text if len(text) <= LETTERS else text[: LETTERS - 1].rsplit(" ", 1)[0] + " …"


def _thumbnail(path: str) -> bytes | None:
    """Draw a small JPEG; none where the picture cannot be opened any more."""
    try:
        image = open_picture(path, at_least=SIDE)
    except (PictureError, OSError):
        return None
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=78, optimize=True)
    return buffer.getvalue()
