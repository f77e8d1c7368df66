"""Pure scores and statistics: arrays in, numbers and verdicts out."""

from interfuse.evaluation.comparison import Comparison, DesignResult, DesignScores, compare_designs
from interfuse.evaluation.coverage import Simulation, measure_coverage
from interfuse.evaluation.intervals import Interval, fold_groups, mean_interval
from interfuse.evaluation.multiple import holm
from interfuse.evaluation.scores import aggregate_scores, calibration_error, example_scores
from interfuse.evaluation.verdicts import judge, say_against_baseline, say_study

__all__ = [
    "Comparison",
    "DesignResult",
    "DesignScores",
    "Interval",
    "Simulation",
    "aggregate_scores",
    "calibration_error",
    "compare_designs",
    "example_scores",
    "fold_groups",
    "holm",
    "judge",
    "mean_interval",
    "measure_coverage",
    "say_against_baseline",
    "say_study",
]
