"""One design of a study, read back: the scores of its trainings, and what they cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interfuse.core.design import Design
from interfuse.core.errors import DataError
from interfuse.core.records import PREDICTIONS, read_table
from interfuse.evaluation import DesignScores, Resplit, spread_explained, spread_of
from interfuse.fusion import FUSIONS
from interfuse.training import read_run_record
from interfuse.workflows.study.repetitions import constant_scores, join_repetitions

SCORES = pa.schema([PREDICTIONS.field(name) for name in ("row", "group", "split", "score")])
"""Columns of predictions that verdicts rest on."""


@dataclass(frozen=True)
class LoadedDesign:
    """One design's runs, read back."""

    fusion: str
    scores: DesignScores
    parameters: int
    seconds: float
    """Of one training, the mean over seeds."""
    histories: dict[int, list[dict[str, Any]]]
    """By seed."""
    metrics: dict[str, float]
    watched: np.ndarray
    """Scores of the validation rows that the history is about, (seeds, rows)."""
    spread: np.ndarray | None = None
    """Of a regression's test rows, as `spread_of` gives it."""


def load_design(
    design: Design, folders: Mapping[int, Sequence[Path]], task: str, floor: bool, test_share: float | None = None
) -> LoadedDesign:
    """Read a design's runs: test scores in row order, seed by seed, all folds together.

    Args:
        design: of the study.
        folders: for each seed the run folders of its folds.
        task: of the rows.
        floor: whether the table calls it a floor.
        test_share: test rows as a fraction of all, where each seed has a split of its own; none: all have one.
    """
    validations, watched, seconds, histories = [], [], [], {}
    tests: list[np.ndarray] = []
    numbers, spread = np.empty(0), None
    test_metrics: list[dict[str, float]] = []
    for seed, runs in folders.items():
        test, validation, train_seconds = [], [], 0.0
        for folder in runs:
            info = read_run_record(folder, ("train_seconds", "metrics", "parameters"))
            table = read_table(folder / "predictions.parquet", SCORES)
            test.append(table.filter(pc.equal(table["split"], "test")))
            validation.append(table.filter(pc.equal(table["split"], "validation"))["score"].to_numpy())
            train_seconds += info["train_seconds"]
            test_metrics.append(info["metrics"].get("test", {}))
        rows = np.concatenate([part["row"].to_numpy() for part in test])
        if tests and test_share is None and not np.array_equal(np.sort(rows), numbers):
            raise DataError(f"{runs[0]} was tested on other rows than {design.name}'s first seed. Take it from a copy.")
        numbers = np.sort(rows)
        order = np.argsort(rows, kind="stable")
        tests.append(np.concatenate([part["score"].to_numpy() for part in test])[order])
        groups = np.concatenate([part["group"].to_numpy() for part in test])[order]
        tested = np.repeat(np.arange(len(test)), [len(part) for part in test])[order]
        if task == "regression":
            spread = np.concatenate([spread_of(part["target"].to_numpy()) for part in test])[order]
        validations.append(np.concatenate(validation))
        watched.append(validation[0])
        seconds.append(train_seconds)
        histories[int(seed)] = read_table(runs[0] / "history.parquet").to_pylist()
    unimodal = len(FUSIONS.entry(design.fusion).build.modalities) == 1
    outside = design.linear and floor
    if test_share is not None:
        scores = replace(join_repetitions(tests, validations, test_share, floor, unimodal), outside=outside)
        spread = None
    else:
        test_scores = np.stack(tests) if spread is None else spread_explained(np.stack(tests), spread)
        folds = tested if len(runs) > 1 else None
        scores = DesignScores(test_scores, np.stack(validations), groups, floor, unimodal, folds=folds, outside=outside)
    names = [name for name in test_metrics[0] if all(name in metrics for metrics in test_metrics)]
    means = {name: float(np.mean([metrics[name] for metrics in test_metrics])) for name in names}
    costs, common = (info["parameters"], float(np.mean(seconds))), min(map(len, watched))
    first = np.stack([rows[:common] for rows in watched])
    return LoadedDesign(design.fusion, scores, *costs, histories, means, first, spread)


def check_same_rows(folder: Path, designs: Mapping[str, LoadedDesign]) -> None:
    """Refuse designs that were tested on other rows than each other.

    Raises:
        DataError: there are such.
    """
    if not designs:
        return
    (first, like), *others = designs.items()
    for name, entry in others:
        alike = entry.scores.test.shape[1:] == like.scores.test.shape[1:]
        if not alike or not np.array_equal(entry.scores.groups, like.scores.groups):
            raise DataError(f"{folder}: {name} was tested on other rows than {first}, so that they cannot be compared.")


def load_majority(name: str, file: Path, like: LoadedDesign) -> LoadedDesign:
    """Read the floor that always gives one answer, the train rows' own; its rows' scores were stored with the study.

    Args:
        name: what tables call it.
        file: of its scores.
        like: a trained design, for the order of rows and the number of seeds.
    """
    table, seeds = read_table(file), like.scores.seeds
    if isinstance(like.scores.drawn, Resplit):
        return LoadedDesign(name, constant_scores(table, like.scores), 0, 0.0, {}, {}, like.watched)
    test = table.filter(pc.equal(table["split"], "test"))
    test = test.take(pc.sort_indices(test, [("row", "ascending")]))
    validation = table.filter(pc.equal(table["split"], "validation"))
    every = np.tile(test["score"].to_numpy(), (seeds, 1))
    scores = replace(
        like.scores,
        test=every if like.spread is None else spread_explained(every, like.spread),
        validation=np.tile(validation["score"].to_numpy(), (seeds, 1)),
        floor=True,
        unimodal=False,
        outside=True,
    )
    return LoadedDesign(name, scores, 0, 0.0, {}, {}, like.watched)
