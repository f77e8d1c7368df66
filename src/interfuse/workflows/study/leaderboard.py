"""A design's result as a row of the leaderboard."""

from interfuse.core.records import LeaderboardRow, finite
from interfuse.evaluation import Comparison, DesignResult, Precision, say_needed
from interfuse.workflows.study.loaded_design import LoadedDesign


def to_row(
    result: DesignResult, entry: LoadedDesign, comparison: Comparison, metric: str, one_split: bool
) -> LeaderboardRow:
    """Return the row.

    Args:
        result: of the design.
        entry: its runs.
        comparison: that the result is of; what a contrast could see is told with Holm's first step over all of it.
        metric: by which the designs were compared.
        one_split: whether all trainings share one split: else more seeds and rows are not all that can be added.
    """
    delta, rows, rules = result.delta, entry.scores.test.shape[1], comparison.rules
    family = max(1, comparison.family)
    detectable = None
    if delta and one_split:
        precision = Precision.of(delta.components, rows)
        detectable = precision.detectable(delta.components.seeds, rows, rules.alpha / family) or None
    return LeaderboardRow(
        design=result.design,
        fusion=entry.fusion,
        baseline=delta is None,
        metric=metric,
        mean=result.mean.mean,
        ci_low=finite(result.mean.low),
        ci_high=finite(result.mean.high),
        seeds=entry.scores.seeds,
        parameters=entry.parameters,
        train_seconds=entry.seconds,
        delta=delta.mean if delta else None,
        delta_ci_low=finite(delta.interval.low) if delta else None,
        delta_ci_high=finite(delta.interval.high) if delta else None,
        p_holm=result.p_holm,
        verdict=result.verdict,
        beats=delta.beats if delta else None,
        detectable=detectable,
        needed=say_needed(delta, rules, rows, family) if delta and detectable else "",
        metrics=entry.metrics,
    )
