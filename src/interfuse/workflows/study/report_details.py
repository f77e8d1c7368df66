"""What a report shows beside the scores: every pair, what was measured of cost, diagnoses, rows to look at."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from interfuse.core.files import read_json
from interfuse.core.records import StudySummary, read_table
from interfuse.training import read_run_record

COSTS = ("flops", "latency_ms", "memory_mb")
"""Optional numbers of a run.json."""
EXAMPLES_FILE = "examples.parquet"


def add_evidence(
    summary: StudySummary,
    folder: Path,
    runs: Mapping[str, Sequence[Path]],
) -> StudySummary:
    """Add what the study's folder holds beside its scores.

    Args:
        summary: the scores and verdicts.
        folder: of the study.
        runs: design to the folders of its runs.
    """
    order = [row.design for row in sorted(summary.rows, key=lambda row: row.rank) if row.design in runs]
    pictures = folder / EXAMPLES_FILE
    return replace(
        summary,
        costs={name: read_costs([read_run_record(run) for run in runs[name]]) for name in order},
        examples=read_table(pictures).to_pylist() if pictures.is_file() else [],
        diagnoses=[read_diagnosis(run) for name in order for run in runs[name] if (run / "diagnosis.json").is_file()],
    )


def read_costs(infos: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Average each optional cost over the runs that tell it."""
    costs = {}
    for name in COSTS:
        known = [float(info[name]) for info in infos if isinstance(info.get(name), int | float)]
        if known:
            costs[name] = statistics.fmean(known)
    return costs


def read_diagnosis(run: Path) -> dict[str, Any]:
    """Read a run's diagnosis and its illustrations."""
    path = run / "illustrations.json"
    return {**read_json(run / "diagnosis.json"), "illustrations": read_json(path) if path.is_file() else {}}
