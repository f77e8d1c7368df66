"""Scores of a study whose rows were split anew for each seed: a number a repetition, since the test rows differ."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from interfuse.core.design import Design
from interfuse.core.records import read_table
from interfuse.core.settings import build, to_plain
from interfuse.core.tasks import RELATIVE_MSE
from interfuse.evaluation import DesignScores, Resplit
from interfuse.workflows.study.rescore import (
    Constant,
    Folders,
    measure_whole,
    prepare_metric,
    read_rows,
    squared_errors,
    to_column,
)


def vary_design(design: Design, record: Mapping[str, Any], repetition: int) -> Design:
    """Return the design with what tuning chose for it on this repetition's split; itself where none was tuned.

    Args:
        design: as the study's record has it.
        record: of the study.
        repetition: from 0.
    """
    splits = (record.get("tuning") or {}).get("splits")
    if not splits or design.linear:
        return design
    number = splits[repetition]["chosen"][design.name]
    if number == 0:  # its own settings were best
        return design
    values = splits[repetition]["draws"][number - 1]
    return build(Design, f"design {design.name!r} with a draw", {**to_plain(design), **values})


def join_repetitions(
    tests: Sequence[np.ndarray], validations: Sequence[np.ndarray], test_share: float, floor: bool, unimodal: bool
) -> DesignScores:
    """Return a design's scores from its row scores.

    Args:
        tests: of each repetition's test rows.
        validations: of each repetition's validation rows.
        test_share: test rows, a fraction of all.
        floor: whether the table calls it a floor.
        unimodal: whether it sees one modality only.
    """
    own = np.array([rows.mean() for rows in tests])
    validation = to_column([float(rows.mean()) if len(rows) else np.nan for rows in validations])
    groups = np.zeros(1, dtype=np.int64)
    return DesignScores(own[:, None], validation, groups, floor, unimodal, Resplit(own, test_share))


def constant_scores(table: pa.Table, like: DesignScores) -> DesignScores:
    """Return the scores of the answer that ignores both modalities.

    Args:
        table: `majority.parquet`.
        like: scores of any design.
    """
    tests, validations = (
        [_of_repetition(table, split, number)["score"].to_numpy() for number in range(like.test.shape[0])]
        for split in ("test", "validation")
    )
    return join_repetitions(tests, validations, _share(like), True, False)


def score_repetitions(
    metric: str, task: str, scores: Mapping[str, DesignScores], runs: Mapping[str, Folders], constant: Constant
) -> dict[str, DesignScores]:
    """Score every design by the metric in each repetition.

    Args:
        metric: relative MSE, or one of `WEIGHTED`.
        task: of the rows.
        scores: each design's scores by the headline.
        runs: for each trained design and repetition the folder of its run.
        constant: the answer that ignores both modalities.
    """
    rescored, table = {}, read_table(constant.file)
    like = next(iter(runs.values()))
    for name, entry in scores.items():
        values = {}
        for split in ("test", "validation"):
            every = [read_rows(folders, split) for folders in runs.get(name, like)]
            if name == constant.name:
                every = [_answer(table, split, number, rows) for number, rows in enumerate(every)]
            values[split] = [_measure(metric, task, rows) for rows in every]
        own, validation = np.array(values["test"]), to_column(values["validation"])
        rescored[name] = replace(entry, test=own[:, None], validation=validation, drawn=Resplit(own, _share(entry)))
    return rescored


def _measure(metric: str, task: str, rows: pa.Table) -> float:
    """Return the metric of one repetition's rows; NaN where it is undefined."""
    if not len(rows):
        return float("nan")
    if metric == RELATIVE_MSE:
        return float(squared_errors(rows).mean() / (np.var(rows["target"].to_numpy()) or 1.0))
    return measure_whole(prepare_metric(metric, task, rows), rows)


def _answer(table: pa.Table, split: str, repetition: int, like: pa.Table) -> pa.Table:
    """Return a repetition's rows with the constant answer in place of a design's."""
    answers = _of_repetition(table, split, repetition)
    return like.set_column(like.column_names.index("probs"), "probs", answers["probs"])


def _of_repetition(table: pa.Table, split: str, repetition: int) -> pa.Table:
    inside = pc.and_(pc.equal(table["split"], split), pc.equal(table["fold"], repetition))
    return table.filter(inside).sort_by("row")


def _share(entry: DesignScores) -> float:
    assert isinstance(entry.drawn, Resplit)
    return entry.drawn.test_share
