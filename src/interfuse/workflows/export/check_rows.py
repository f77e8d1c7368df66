"""Hold an exported model to its run on real rows: both read the same files, each in its own way."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interfuse.core.errors import DataError, ExportError
from interfuse.core.files import read_json, write_json
from interfuse.core.modalities import MODALITIES
from interfuse.core.progress import Progress
from interfuse.core.tasks import HEADLINES
from interfuse.data import Examples, Features, eval_batches
from interfuse.evaluation import aggregate_scores
from interfuse.training import Run, predict_probs
from interfuse.workflows.export.parity import largest_difference
from interfuse.workflows.predict import read_for_run
from interfuse.workflows.source import Source

LOUD = 0.01
"""Difference of a probability on real rows from which on a warning is due."""
BATCH = 32


@dataclass(frozen=True)
class AnsweredRows:
    """Rows that a run and its exports answer, and the run's own answers."""

    features: Features
    examples: Examples | None
    """None for a known-answer task."""
    labelled: bool
    probs: np.ndarray
    """(rows, classes), float32, as `interfuse predict` gives them."""


@dataclass(frozen=True)
class Agreement:
    """How an exported model answers beside its run."""

    rows: int
    difference: float
    """Largest difference of a probability; for a regression, relative to the largest number."""
    same: float | None
    """Share of rows with the same answer, 0 to 1; none for a regression."""
    metric: str
    scores: Mapping[str, float]
    """run, and export or int8, to the metric on these rows; empty where they have no labels."""

    @property
    def plain(self) -> dict[str, Any]:
        """What `model.json` keeps."""
        facts = {"rows": self.rows, "difference": self.difference, "same_answers": self.same}
        return {**facts, "metric": self.metric, **({"scores": dict(self.scores)} if self.scores else {})}

    def tell(self, what: str) -> str:
        """Return it in a line."""
        same = "" if self.same is None else f", {self.same:.2%} of the answers are the same"
        scores = "".join(f", {who} {value:.4f}" for who, value in self.scores.items())
        scores = f"; {self.metric}{scores[1:]}" if scores else ""
        return f"{what} on {self.rows:,} rows: largest difference of a probability {self.difference:.1e}{same}{scores}"


def read_rows(run: Run, source: Source, progress: Progress) -> AnsweredRows:
    """Read rows, labelled where they have the run's label, and let the run answer them.

    Raises:
        DataError: the rows cannot be read.
    """
    try:
        features, examples = read_for_run(run, source, progress, labelled=True)
        labelled = True
    except DataError as error:
        features, examples = read_for_run(run, source, progress, labelled=False)
        labelled = False
        progress.say(f"No scores are measured, since labels cannot be read: {error}")
    if not len(features.ids):
        raise DataError(f"{source.data} has no row to compare on.")
    probs = predict_probs(run.network, features, torch.arange(len(features.ids))).numpy()
    return AnsweredRows(features, examples, labelled, probs)


def measure(run: Run, rows: AnsweredRows, folder: Path, file: str | None = None) -> Agreement:
    """Let an exported model answer the rows, as its user would, and compare.

    Args:
        run: what was exported.
        rows: rows and the run's answers.
        folder: what `export_run` wrote.
        file: its 8-bit form; none: the model that `model.json` names.

    Raises:
        ExportError: it is a whole model in torch's format, for which no picture is opened here.
    """
    config = read_json(folder / "model.json")
    answers = (
        answer_whole(rows, folder, file) if config["whole"] else answer_head(rows, folder / (file or config["file"]))
    )
    expected, task = rows.probs, run.task
    same = None
    if task != "regression":
        agree = (answers >= 0.5) == (expected >= 0.5) if task == "multilabel" else _likeliest(answers, expected)
        same = float(agree.all(1).mean())
    scores = {}
    if rows.labelled:
        labels = rows.features.labels.numpy()
        parts = {"run": expected, "int8" if file else "export": answers}
        scores = {who: aggregate_scores(probs, labels, task)[HEADLINES[task]] for who, probs in parts.items()}
    difference = largest_difference(torch.from_numpy(answers), torch.from_numpy(expected))
    return Agreement(len(answers), difference, same, HEADLINES[task], scores)


def check(run: Run, rows: AnsweredRows, folder: Path, progress: Progress) -> Agreement:
    """Measure the exported model on these rows; say so loudly where it is off, and keep it in `model.json`."""
    agreement = measure(run, rows, folder)
    note(folder, "check", agreement.plain)
    if not agreement.difference <= LOUD:
        progress.say(
            f"warning: on these rows a probability differs by {agreement.difference:.3f} from what `interfuse predict` "
            "gives: the run's tokens are rounded (its encoders compute in bfloat16, or its store is int8), and the "
            "export's are float32. Fix: train with store_dtype=float32."
        )
    return agreement


def note(folder: Path, name: str, value: Mapping[str, Any]) -> None:
    """Add an entry to `model.json`."""
    write_json(folder / "model.json", {**read_json(folder / "model.json"), name: dict(value)})


def answer_whole(rows: AnsweredRows, folder: Path, file: str | None) -> np.ndarray:
    """Answer from picture files and texts, (rows, classes), with the code that lies beside the model."""
    if (folder / "model.pt2").is_file():
        raise ExportError("A whole model in torch's format is not checked on rows. Give format=onnx.")
    from interfuse.workflows.export.runtime import Model

    assert rows.examples is not None
    table = rows.examples.table
    pictures = [
        image if key is not None else None
        for image, key in zip(table["image"].to_pylist(), table["image_key"].to_pylist(), strict=True)
    ]
    return Model(folder, torch.get_num_threads(), file).predict(pictures, table["text"].to_pylist(), BATCH)


def answer_head(rows: AnsweredRows, file: Path) -> np.ndarray:
    """Answer from stored tokens, (rows, classes)."""
    from interfuse.workflows.export.export import open_exported

    model, parts = open_exported(file), []
    for batch in eval_batches(rows.features, torch.arange(len(rows.features.ids)), BATCH):
        feed: dict[str, torch.Tensor] = {}
        for name, tokens, index in zip(MODALITIES, batch.tokens, batch.index, strict=True):
            feed[name], feed[f"{name}_mask"] = tokens.tokens[index], tokens.mask[index]
        with torch.inference_mode():
            parts.append(model(feed).numpy())
    return np.concatenate(parts)


def _likeliest(answers: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.asarray(answers.argmax(1) == expected.argmax(1))[:, None]
