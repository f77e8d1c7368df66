"""How many seeds and test rows a contrast takes: from a study that served as a pilot, or from typical spreads."""

from dataclasses import replace
from pathlib import Path

from interfuse.core.errors import ConfigError
from interfuse.core.forecast import Forecast
from interfuse.core.progress import Progress, Silent
from interfuse.evaluation import TYPICAL, Comparison, PrecisionRange, forecast
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
        ConfigError: the contrast names no designs of the pilot, the difference is no fraction, or the pilot is over
            folds or splits made anew.
        DataError: there is no finished study, or the rows cannot be used.
    """
    if difference is not None and not 0 < difference < 1:
        raise ConfigError(
            f"A difference to plan for is a fraction between 0 and 1, got {difference:g}. A point is 0.01."
        )
    if isinstance(data, Source) and contrast is not None:
        raise ConfigError(f"contrast={contrast!r} names designs of a pilot: give the folder of a study, not rows.")
    if isinstance(data, Source):
        return _plan_rows(data, 0.01 if difference is None else difference, progress or Silent())
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
    first, second = _find_contrast(study, words, comparison, list(scores))
    contrast = comparison.contrast
    if contrast is None or words is not None or record.get("primary"):
        contrast = comparison.rules.contrast(scores[first], scores[second])
    rows, seeds = scores[first].test.shape[1], contrast.components.seeds
    result = forecast(
        f"{first} vs {second}",
        PrecisionRange.of(contrast.components, rows),
        (seeds, rows),
        comparison.rules.goal if difference is None else difference,
        loaded[first].seconds + loaded[second].seconds,
    )
    notes = ["One contrast by itself: among several, Holm asks for more."]
    if seeds == 1:
        notes.append("The pilot has one seed: it knows nothing of how trainings differ. Use seeds=3.")
    return replace(result, notes=notes)


def _plan_rows(source: Source, difference: float, progress: Progress) -> Forecast:
    rows = read_rows(source, progress)
    count = len(rows.list_test_labels()[0])
    note = (
        "Without a pilot, spreads are assumed: trainings of a design differ by 1 point (0.4 to 2), and two designs "
        "answer 14 % of the rows differently (5 to 30). A study with seeds=3 measures them; give its folder instead."
    )
    return replace(forecast("two designs like most", TYPICAL, (SEEDS, count), difference), notes=[note])


def _find_contrast(study: Study, words: str | None, comparison: Comparison, designs: list[str]) -> tuple[str, str]:
    """Return the two designs that are planned for."""
    if words is not None:
        first, _, second = (part.strip() for part in words.partition(" vs "))
        unknown = [name for name in (first, second) if name not in designs]
        if unknown or first == second:
            raise ConfigError(f"A contrast is `DESIGN vs DESIGN`, two of {', '.join(designs)}; got {words!r}.")
        return first, second
    declared = study.record.get("primary")
    if declared:
        return declared["first"], declared["second"]
    if comparison.choice:
        return comparison.choice.fusion, comparison.choice.control
    rivals = [result for result in comparison.results if result.delta and result.verdict != "floor"]
    if not rivals:
        raise ConfigError("The pilot has no design beside its baseline and floors. Give contrast='DESIGN vs DESIGN'.")
    widest = max(rivals, key=lambda result: result.delta.interval.standard_error if result.delta else 0.0)
    return widest.design, str(study.record["baseline"])
