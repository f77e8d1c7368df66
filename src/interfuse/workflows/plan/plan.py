"""How many seeds and test rows a contrast takes: from a study that served as a pilot, or from typical spreads."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from interfuse.core.errors import ConfigError
from interfuse.core.forecast import Forecast
from interfuse.core.progress import Progress, Silent
from interfuse.evaluation import TYPICAL, PrecisionRange, common_spread, forecast
from interfuse.workflows.source import Source
from interfuse.workflows.study import Study
from interfuse.workflows.train import read_rows

SEEDS = 5
"""Seeds that are planned with where there is no pilot."""


def plan(
    data: Path | str | Source,
    *,
    contrast: str | None = None,
    difference: float | None = None,
    progress: Progress | None = None,
) -> Forecast:
    """Return what more seeds and test rows would show.

    Args:
        data: folder of a study, which serves as the pilot; or the rows of a study to come, as `Source`.
        contrast: two designs of the pilot, as `cross_attention vs concat`; none: the one that it declared, else its
            verdict's, else the contrast with its baseline that knows least.
        difference: that is to be found, a fraction; none: the pilot's margin, or a point.
        progress: told how far reading is.

    Raises:
        ConfigError: the contrast names no designs of the pilot, or the pilot is over folds or splits made anew.
        DataError: there is no finished study, or the rows cannot be used.
    """
    if isinstance(data, Source):
        return _plan_rows(data, difference or 0.01, progress or Silent())
    return _plan_study(Study.open(data), contrast, difference)


def _plan_study(study: Study, words: str | None, difference: float | None) -> Forecast:
    record = study.record
    if record.get("resplit") or int(record["folds"]) > 1:
        raise ConfigError(
            "A plan counts seeds and test rows of one split; this study has folds, or splits made anew. Give a study "
            "of one split."
        )
    by, loaded, scores = study.score()
    comparison = study.judge(by, scores)
    spread = common_spread(entry.components() for entry in scores.values())
    names = _find_contrast(study, words, list(scores))
    first, second = (scores[name] for name in names)
    sides = sum(float(np.ptp(entry.by_seed())) > 0 for entry in (first, second))
    parts = spread.moderate(first.minus(second), sides)
    rows, goal = first.test.shape[1], difference or comparison.rules.goal
    seconds = sum(loaded[name].seconds for name in names)
    seeds = parts.seeds
    result = forecast(f"{names[0]} vs {names[1]}", PrecisionRange.of(parts, rows), (seeds, rows), goal, seconds)
    if seeds > 1:
        return result
    return replace(result, notes=["The pilot has one seed: it knows nothing of how trainings differ. Use seeds=3."])


def _plan_rows(source: Source, difference: float, progress: Progress) -> Forecast:
    rows = read_rows(source, progress)
    count = len(rows.list_test_labels()[0])
    note = (
        "Without a pilot, spreads are assumed: trainings of a design differ by 1 point (0.4 to 2), and two designs "
        "answer 14 % of the rows differently (5 to 30). A study with seeds=3 measures them; give its folder instead."
    )
    return replace(forecast("two designs like most", TYPICAL, (SEEDS, count), difference), notes=[note])


def _find_contrast(study: Study, words: str | None, designs: list[str]) -> tuple[str, str]:
    """Return the two designs that are planned for."""
    if words is not None:
        first, _, second = (part.strip() for part in words.partition(" vs "))
        unknown = [name for name in (first, second) if name not in designs]
        if unknown or first == second:
            raise ConfigError(f"A contrast is `DESIGN vs DESIGN` of {', '.join(designs)}; got {words!r}.")
        return first, second
    declared = study.record.get("primary")
    if declared:
        return declared["first"], declared["second"]
    by, _, scores = study.score()
    comparison = study.judge(by, scores)
    if comparison.choice:
        return comparison.choice.fusion, comparison.choice.control
    return next(name for name in designs if name != study.record["baseline"]), study.record["baseline"]
