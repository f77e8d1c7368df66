"""Pure scores and statistics: arrays in, numbers and verdicts out."""

from interfuse.evaluation.comparison import (
    Comparison,
    DesignResult,
    DesignScores,
    compare_designs,
    holm,
    say_contrast,
)
from interfuse.evaluation.intervals import Interval, fold_groups, mean_interval
from interfuse.evaluation.scores import aggregate_scores, calibration_error, example_scores

__all__ = [
    "Comparison",
    "DesignResult",
    "DesignScores",
    "Interval",
    "aggregate_scores",
    "calibration_error",
    "compare_designs",
    "example_scores",
    "fold_groups",
    "holm",
    "mean_interval",
    "say_contrast",
]
