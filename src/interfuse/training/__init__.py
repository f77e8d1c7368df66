"""The assembled network, the loop, and runs on disk."""

from interfuse.training.absent import logits_without
from interfuse.training.attention import AttentionMaps, Captured, attention_maps, capture_attention
from interfuse.training.checkpoint import Checkpoint, leftovers
from interfuse.training.costs import measure_costs
from interfuse.training.loop import EVAL_BATCH, Precision, Trained, predict_probs, resolve_precision, train
from interfuse.training.network import (
    Adapter,
    ModalitySpec,
    Network,
    count_parameters,
    make_fusion,
    match_hidden,
    pools,
)
from interfuse.training.pairs import adapt, pair_logits
from interfuse.training.relevance import Relevance, relevance
from interfuse.training.run import Run, load_run, save_run
from interfuse.training.statistics import measure, pool_table

__all__ = [
    "EVAL_BATCH",
    "Adapter",
    "AttentionMaps",
    "Captured",
    "Checkpoint",
    "ModalitySpec",
    "Network",
    "Precision",
    "Relevance",
    "Run",
    "Trained",
    "adapt",
    "attention_maps",
    "capture_attention",
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
    "relevance",
    "resolve_precision",
    "save_run",
    "train",
]
