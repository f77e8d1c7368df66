"""Pure scores and statistics: arrays in, numbers and verdicts out."""

from interfuse.evaluation.bootstrap import Resampling, bootstrap_interval, draw_metric, draw_weights
from interfuse.evaluation.bootstrap_metrics import WEIGHTED, Weighted, make_metric
from interfuse.evaluation.budget import Learning, say_budget
from interfuse.evaluation.calibration import Calibration, Temperature, fit_temperature, measure_calibration
from interfuse.evaluation.calibration_words import say_calibration
from interfuse.evaluation.collapses import find_collapses, interquartile_mean, say_collapses
from interfuse.evaluation.comparison import (
    MAJORITY,
    Comparison,
    Confirmation,
    DesignResult,
    best_on_validation,
    compare_designs,
    list_choosers,
    list_rivals,
)
from interfuse.evaluation.components import Components, mean_interval, measure_components
from interfuse.evaluation.contrasts import ALPHA, Difference, Rules, judge
from interfuse.evaluation.coverage import Coverage, Regime, measure_coverage
from interfuse.evaluation.decomposition import (
    NULL_LIMIT,
    Decomposition,
    EstimatedDecomposition,
    discretise,
    estimate_decomposition,
    information,
)
from interfuse.evaluation.design_scores import DesignScores
from interfuse.evaluation.emap import Emap, interaction_share, measure_emap, project_additive, tied_scores
from interfuse.evaluation.expected_maximum import expected_maximum
from interfuse.evaluation.findings import (
    say_decomposition,
    say_emap,
    say_missing,
    say_needs_both,
    say_permutation,
    say_shapley,
    say_undecomposed,
)
from interfuse.evaluation.fold_component import FoldMeans, fold_means
from interfuse.evaluation.fold_metric import FoldMetric
from interfuse.evaluation.forecast import TYPICAL, forecast
from interfuse.evaluation.headline import say_contradiction, say_diagnosis, say_spared
from interfuse.evaluation.holm import holm
from interfuse.evaluation.intervals import Interval
from interfuse.evaluation.looks import QUERIES, DeletionGain, gain_by_deletion, say_attention
from interfuse.evaluation.metric_names import check_defined
from interfuse.evaluation.missing import missing_curve
from interfuse.evaluation.needs_both import RIGHT, NeedsBoth, find_needs_both
from interfuse.evaluation.pairwise import compare_pairs
from interfuse.evaluation.permutation import Permutation, measure_permutation
from interfuse.evaluation.phrases import spell_margin, spell_p, spell_points
from interfuse.evaluation.power import MOST_ROWS, MOST_SEEDS, Precision, PrecisionRange
from interfuse.evaluation.profiles import attention_spread, profile_rows
from interfuse.evaluation.r_squared import spread_explained, spread_of, vary_as_metric
from interfuse.evaluation.random_effects import paule_mandel, pool_differences
from interfuse.evaluation.ranking import SharedScores, compare_ranks, pair_ranks, rank_designs
from interfuse.evaluation.ranking_words import say_caution, say_heterogeneity, say_ranking, say_ranks
from interfuse.evaluation.ranks import critical_difference, friedman, group_ranks, rank_scores
from interfuse.evaluation.resplit import Resplit
from interfuse.evaluation.scope import say_scope
from interfuse.evaluation.scores import aggregate_scores, calibration_error, example_scores
from interfuse.evaluation.seed_spread import SeedSpread, common_spread
from interfuse.evaluation.sequential import Looks, is_open, say_looks
from interfuse.evaluation.shapley import measure_shapley, share
from interfuse.evaluation.signed_rank import least_signed_rank, signed_rank
from interfuse.evaluation.trainings import Contribution, say_seeds
from interfuse.evaluation.verdicts import (
    DECLARED,
    say_against_baseline,
    say_families,
    say_metric,
    say_needed,
    say_power,
    say_primary,
    say_study,
    say_tuning,
)

__all__ = [
    "ALPHA",
    "DECLARED",
    "MAJORITY",
    "MOST_ROWS",
    "MOST_SEEDS",
    "NULL_LIMIT",
    "QUERIES",
    "RIGHT",
    "TYPICAL",
    "WEIGHTED",
    "Calibration",
    "Comparison",
    "Components",
    "Confirmation",
    "Contribution",
    "Coverage",
    "Decomposition",
    "DeletionGain",
    "DesignResult",
    "DesignScores",
    "Difference",
    "Emap",
    "EstimatedDecomposition",
    "FoldMeans",
    "FoldMetric",
    "Interval",
    "Learning",
    "Looks",
    "NeedsBoth",
    "Permutation",
    "Precision",
    "PrecisionRange",
    "Regime",
    "Resampling",
    "Resplit",
    "Rules",
    "SeedSpread",
    "SharedScores",
    "Temperature",
    "Weighted",
    "aggregate_scores",
    "attention_spread",
    "best_on_validation",
    "bootstrap_interval",
    "calibration_error",
    "check_defined",
    "common_spread",
    "compare_designs",
    "compare_pairs",
    "compare_ranks",
    "critical_difference",
    "discretise",
    "draw_metric",
    "draw_weights",
    "estimate_decomposition",
    "example_scores",
    "expected_maximum",
    "find_collapses",
    "find_needs_both",
    "fit_temperature",
    "fold_means",
    "forecast",
    "friedman",
    "gain_by_deletion",
    "group_ranks",
    "holm",
    "information",
    "interaction_share",
    "interquartile_mean",
    "is_open",
    "judge",
    "least_signed_rank",
    "list_choosers",
    "list_rivals",
    "make_metric",
    "mean_interval",
    "measure_calibration",
    "measure_components",
    "measure_coverage",
    "measure_emap",
    "measure_permutation",
    "measure_shapley",
    "missing_curve",
    "pair_ranks",
    "paule_mandel",
    "pool_differences",
    "profile_rows",
    "project_additive",
    "rank_designs",
    "rank_scores",
    "say_against_baseline",
    "say_attention",
    "say_budget",
    "say_calibration",
    "say_caution",
    "say_collapses",
    "say_contradiction",
    "say_decomposition",
    "say_diagnosis",
    "say_emap",
    "say_families",
    "say_heterogeneity",
    "say_looks",
    "say_metric",
    "say_missing",
    "say_needed",
    "say_needs_both",
    "say_permutation",
    "say_power",
    "say_primary",
    "say_ranking",
    "say_ranks",
    "say_scope",
    "say_seeds",
    "say_shapley",
    "say_spared",
    "say_study",
    "say_tuning",
    "say_undecomposed",
    "share",
    "signed_rank",
    "spell_margin",
    "spell_p",
    "spell_points",
    "spread_explained",
    "spread_of",
    "tied_scores",
    "vary_as_metric",
]
