"""The assembled network, the loop, and runs on disk."""

from interfuse.training import processes
from interfuse.training.absent import logits_without
from interfuse.training.answers import EVAL_BATCH, predict_probs
from interfuse.training.attention import AttentionMaps, Captured, attention_maps, capture_attention
from interfuse.training.checkpoint import Checkpoint, leftovers
from interfuse.training.contrastive import check_contrastive
from interfuse.training.costs import measure_costs
from interfuse.training.loop import Trained, steps_an_epoch, train
from interfuse.training.means import Means, Precision, resolve_precision
from interfuse.training.network import (
    Adapter,
    ModalitySpec,
    Network,
    check_design,
    count_parameters,
    make_fusion,
    match_hidden,
    pools,
)
from interfuse.training.objective import check_objective
from interfuse.training.pairs import adapt, pair_logits
from interfuse.training.relevance import Relevance, relevance
from interfuse.training.run import Run, load_run, save_run
from interfuse.training.statistics import measure, pool_table
from interfuse.training.tuning import Tuning, tune

__all__ = [
    "EVAL_BATCH",
    "Adapter",
    "AttentionMaps",
    "Captured",
    "Checkpoint",
    "Means",
    "ModalitySpec",
    "Network",
    "Precision",
    "Relevance",
    "Run",
    "Trained",
    "Tuning",
    "adapt",
    "attention_maps",
    "capture_attention",
    "check_contrastive",
    "check_design",
    "check_objective",
    "count_parameters",
    "leftovers",
    "load_run",
    "logits_without",
    "make_fusion",
    "match_hidden",
    "measure",
    "measure_costs",
    "pair_logits",
    "pool_table",
    "pools",
    "predict_probs",
    "processes",
    "relevance",
    "resolve_precision",
    "save_run",
    "steps_an_epoch",
    "train",
    "tune",
]
