"""A study's scores by another metric than the headline, from the stored predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interfuse.core.errors import DataError
from interfuse.core.records import read_table
from interfuse.core.tasks import RELATIVE_MSE
from interfuse.evaluation import (
    DesignScores,
    FoldMetric,
    Weighted,
    draw_metric,
    draw_weights,
    make_metric,
    spread_explained,
    spread_of,
)

Folders = Sequence[Sequence[Path]]
"""For each seed the run folders of its folds."""


@dataclass(frozen=True)
class Constant:
    """The answer that ignores both modalities, the lowest floor."""

    name: str
    """What tables call it."""
    file: Path


def score_by(
    metric: str, task: str, scores: Mapping[str, DesignScores], runs: Mapping[str, Folders], constant: Constant
) -> dict[str, DesignScores]:
    """Score every design by the metric: row errors, or the metric on the same resamples of the test groups.

    Over folds a metric that is no mean over rows is that of each fold's rows, averaged: its rows share a network.

    Args:
        metric: relative MSE, or one of `WEIGHTED`.
        task: of the rows.
        scores: each design's row scores.
        runs: where each trained design's predictions are.
        constant: the answer that ignores both modalities.

    Raises:
        DataError: the study was begun before its constant answer was kept.
    """
    if metric == RELATIVE_MSE:
        return _errors(scores, runs, constant)
    groups = next(iter(scores.values())).groups
    weights, count = draw_weights(groups), len(np.unique(groups))
    rescored = {}
    for design, folders in runs.items():
        tests = [prepare_folds(metric, task, read_rows(seed, "test")) for seed in folders]
        validations = [read_rows(seed, "validation") for seed in folders]
        values = [
            measure_whole(prepare_folds(metric, task, rows), rows) if len(rows) else np.nan for rows in validations
        ]
        draws = draw_metric(tests, weights, count)
        rescored[design] = replace(scores[design], drawn=draws, validation=to_column(values))
    answers = _constant(metric, task, constant.file, runs)
    rescored[constant.name] = replace(scores[constant.name], drawn=draw_metric(answers, weights, count))
    return {design: rescored[design] for design in scores}


def _errors(
    scores: Mapping[str, DesignScores], runs: Mapping[str, Folders], constant: Constant
) -> dict[str, DesignScores]:
    """Score every row by its squared error, over the variance of all test rows' numbers (1 where they are equal).

    Test scores vary as the ratio does, see `spread_explained`.
    """
    like = next(iter(runs.values()))[0]
    true = read_rows(like, "test")["target"].to_numpy()
    variance, spread = float(np.var(true)) or 1.0, spread_of(true)
    rescored = {}
    for design, folders in runs.items():
        test, validation = (
            np.stack([squared_errors(read_rows(seed, split)) for seed in folders]) / variance
            for split in ("test", "validation")
        )
        rescored[design] = replace(scores[design], test=1 - spread_explained(1 - test, spread), validation=validation)
    name, table = constant.name, read_table(constant.file)
    parts = []
    for split in ("test", "validation"):
        rows = table.filter(pc.equal(table["split"], split)).sort_by("row")
        joined = pa.table({"probs": rows["probs"], "target": read_rows(like, split)["target"]})
        parts.append(np.tile(squared_errors(joined) / variance, (scores[name].test.shape[0], 1)))
    rescored[name] = replace(scores[name], test=1 - spread_explained(1 - parts[0], spread), validation=parts[1])
    return {design: rescored[design] for design in scores}


def squared_errors(rows: pa.Table) -> np.ndarray:
    """Return the squared error of each row's number."""
    predicted = rows["probs"].combine_chunks().flatten().to_numpy().astype(np.float64)
    squares: np.ndarray = np.square(predicted - rows["target"].to_numpy())
    return squares


def _constant(metric: str, task: str, file: Path, runs: Mapping[str, Folders]) -> list[Weighted | FoldMetric]:
    """Prepare the metric of the constant answer, for every seed the same."""
    table = read_table(file)
    if "probs" not in table.column_names:
        raise DataError(
            f"{file} is of an older study, without probabilities: delete it and give compare's command again."
        )
    test = table.filter(pc.equal(table["split"], "test")).sort_by("row")
    folders = next(iter(runs.values()))
    like = read_rows(folders[0], "test")
    joined = pa.table({"probs": test["probs"], "label": like["label"], "fold": like["fold"]})
    return [prepare_folds(metric, task, joined)] * max(map(len, runs.values()))


def read_rows(folders: Sequence[Path], split: str) -> pa.Table:
    """Read one seed's predictions of a split, with the number of the fold that each is from."""
    tables = []
    for fold, folder in enumerate(folders):
        table = read_table(folder / "predictions.parquet")
        table = table.filter(pc.equal(table["split"], split))
        tables.append(table.append_column("fold", pa.array(np.full(len(table), fold))))
    return pa.concat_tables(tables).sort_by("row")


def prepare_folds(metric: str, task: str, rows: pa.Table) -> Weighted | FoldMetric:
    """Prepare a metric of one seed's predictions: of each fold's rows alone where there are several folds.

    Args:
        metric: one of `WEIGHTED`.
        task: of the rows.
        rows: as `read_rows` gives them.
    """
    of_row = rows["fold"].to_numpy()
    places = [np.flatnonzero(of_row == fold) for fold in np.unique(of_row)]
    if len(places) == 1:
        return prepare_metric(metric, task, rows)
    return FoldMetric([prepare_metric(metric, task, rows.take(pa.array(inside))) for inside in places], places)


def prepare_metric(metric: str, task: str, rows: pa.Table) -> Weighted:
    """Prepare a metric of rows that one network predicted."""
    probs = rows["probs"].combine_chunks().flatten().to_numpy().reshape(len(rows), -1)
    label_lists = rows["label"].to_pylist()
    if task == "multilabel":
        labels = np.zeros(probs.shape, dtype=np.int64)
        for row, classes in enumerate(label_lists):
            labels[row, classes] = 1
    else:
        labels = np.array([classes[0] for classes in label_lists])
    return make_metric(metric, probs, labels, task)


def measure_whole(metric: Weighted | FoldMetric, rows: pa.Table) -> float:
    """Return the metric of all rows, each counted once."""
    return float(metric(np.ones(len(rows))))


def to_column(values: list[float]) -> np.ndarray:
    """Return one value a seed; no column at all where any is undefined, which says that nothing can be chosen by it."""
    column = np.array(values, dtype=np.float64)[:, None]
    return column if np.isfinite(column).all() else column[:, :0]
