"""Pure scores and statistics: arrays in, numbers and verdicts out."""

from interfuse.evaluation.bootstrap import Drawn, Metric, Resampling, bootstrap_interval, draw_metric, draw_weights
from interfuse.evaluation.bootstrap_metrics import WEIGHTED, Weighted, make_metric
from interfuse.evaluation.budget import say_budget
from interfuse.evaluation.calibration import Calibration, fit_temperature, measure_calibration
from interfuse.evaluation.comparison import (
    Comparison,
    DesignResult,
    DesignScores,
    best_on_validation,
    compare_designs,
    difference,
)
from interfuse.evaluation.coverage import Simulation, measure_coverage
from interfuse.evaluation.decomposition import (
    NULL_LIMIT,
    Decomposition,
    EstimatedDecomposition,
    decompose,
    discretise,
    estimate_decomposition,
    information,
)
from interfuse.evaluation.emap import Emap, interaction_share, measure_emap, project_additive, tied_scores
from interfuse.evaluation.expected_maximum import expected_maximum
from interfuse.evaluation.findings import (
    say_calibration,
    say_decomposition,
    say_emap,
    say_missing,
    say_needs_both,
    say_permutation,
    say_shapley,
    say_undecomposed,
)
from interfuse.evaluation.headline import say_contradiction, say_diagnosis, say_spared
from interfuse.evaluation.holm import holm
from interfuse.evaluation.intervals import Interval, fold_groups, mean_interval
from interfuse.evaluation.looks import QUERIES, DeletionGain, gain_by_deletion, say_attention
from interfuse.evaluation.metric_names import check_defined, find_metric
from interfuse.evaluation.missing import MissingPoint, missing_curve
from interfuse.evaluation.needs_both import RIGHT, NeedsBoth, find_needs_both
from interfuse.evaluation.pairwise import compare_pairs
from interfuse.evaluation.permutation import Perceptual, Permutation, measure_permutation, perceptual_score
from interfuse.evaluation.profiles import attention_spread, profile_rows
from interfuse.evaluation.r_squared import spread_explained, spread_of, vary_as_metric
from interfuse.evaluation.scores import aggregate_scores, calibration_error, example_scores
from interfuse.evaluation.shapley import Shapley, measure_shapley, share
from interfuse.evaluation.trainings import Contribution, say_seeds
from interfuse.evaluation.verdicts import (
    DECLARED,
    judge,
    say_against_baseline,
    say_metric,
    say_primary,
    say_study,
    say_tuning,
)

__all__ = [
    "DECLARED",
    "NULL_LIMIT",
    "QUERIES",
    "RIGHT",
    "WEIGHTED",
    "Calibration",
    "Comparison",
    "Contribution",
    "Decomposition",
    "DeletionGain",
    "DesignResult",
    "DesignScores",
    "Drawn",
    "Emap",
    "EstimatedDecomposition",
    "Interval",
    "Metric",
    "MissingPoint",
    "NeedsBoth",
    "Perceptual",
    "Permutation",
    "Resampling",
    "Shapley",
    "Simulation",
    "Weighted",
    "aggregate_scores",
    "attention_spread",
    "best_on_validation",
    "bootstrap_interval",
    "calibration_error",
    "check_defined",
    "compare_designs",
    "compare_pairs",
    "decompose",
    "difference",
    "discretise",
    "draw_metric",
    "draw_weights",
    "estimate_decomposition",
    "example_scores",
    "expected_maximum",
    "find_metric",
    "find_needs_both",
    "fit_temperature",
    "fold_groups",
    "gain_by_deletion",
    "holm",
    "information",
    "interaction_share",
    "judge",
    "make_metric",
    "mean_interval",
    "measure_calibration",
    "measure_coverage",
    "measure_emap",
    "measure_permutation",
    "measure_shapley",
    "missing_curve",
    "perceptual_score",
    "profile_rows",
    "project_additive",
    "say_against_baseline",
    "say_attention",
    "say_budget",
    "say_calibration",
    "say_contradiction",
    "say_decomposition",
    "say_diagnosis",
    "say_emap",
    "say_metric",
    "say_missing",
    "say_needs_both",
    "say_permutation",
    "say_primary",
    "say_seeds",
    "say_shapley",
    "say_spared",
    "say_study",
    "say_tuning",
    "say_undecomposed",
    "share",
    "spread_explained",
    "spread_of",
    "tied_scores",
    "vary_as_metric",
]
