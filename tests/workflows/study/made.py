"""A study on disk whose predictions are given: what is read back is tested without any training."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from interfuse.core.design import parse_designs
from interfuse.core.files import write_json
from interfuse.core.records import HISTORY, PREDICTIONS, write_table
from interfuse.core.settings import to_plain
from interfuse.core.tasks import HEADLINES
from interfuse.evaluation import example_scores
from interfuse.workflows import Study

FLOORS = ("text_only", "image_only", "concat")
BASELINE = "concat:hidden=8"


def make_study(
    folder: Path,
    task: str,
    truth: Mapping[str, np.ndarray],
    probs: Mapping[str, list[Mapping[str, np.ndarray]]],
    **more,
) -> Study:
    """Write a study.

    Args:
        folder: of the study.
        task: of the rows.
        truth: split to labels.
        probs: design to split to predictions (rows, classes), a mapping a seed.
        more: other values of study.json.
    """
    roles = dict.fromkeys(FLOORS, "floor") | {BASELINE: "baseline"}
    designs = [
        {**to_plain(design), "key": design.key, "role": roles.get(design.name, "contender")}
        for design in parse_designs(",".join(probs), {})
    ]
    seeds = len(next(iter(probs.values())))
    record = {
        "folds": 1,
        "seeds": list(range(seeds)),
        "baseline": BASELINE,
        "margin": 0.01,
        "metric": HEADLINES[task],
        "data": {"task": task, "source": "made"},
        "designs": designs,
    }
    write_json(folder / "study.json", {**record, **more})
    study = Study.open(folder)
    for trial in study.trials():
        given = probs[trial.design.name][trial.seed]
        trial.folder.mkdir(parents=True, exist_ok=True)
        write_table(trial.folder / "predictions.parquet", table_of(task, truth, given))
        write_table(trial.folder / "history.parquet", pa.Table.from_pylist([], schema=HISTORY))
        costs = {"flops": 2e6, "latency_ms": 1.5, "memory_mb": 30.0}
        write_json(
            trial.folder / "run.json", {"parameters": 100, "train_seconds": 1.0, "metrics": {"test": {}}, **costs}
        )
    constant = {split: np.tile(_constant(task, truth["test"]), (len(labels), 1)) for split, labels in truth.items()}
    write_table(folder / "majority.parquet", table_of(task, truth, constant))
    return study


def table_of(task: str, truth: Mapping[str, np.ndarray], probs: Mapping[str, np.ndarray]) -> pa.Table:
    """Lay out predictions as a run keeps them."""
    rows = []
    for split, labels in truth.items():
        scores = example_scores(probs[split], labels, task)
        for number, (label, score, given) in enumerate(zip(labels, scores, probs[split], strict=True)):
            at = number + 1000 * (split == "validation")
            row = {"row": at, "id": f"r{at}", "group": at, "split": split, "score": score, "probs": given.tolist()}
            told = {"target": float(label)} if task == "regression" else {"label": [int(label)]}
            rows.append({"label": [], "target": None, **row, **told})
    return pa.Table.from_pylist(rows, schema=PREDICTIONS)


def _constant(task: str, labels: np.ndarray) -> np.ndarray:
    return np.array([labels.mean()]) if task == "regression" else np.array([1.0, 0.0])
