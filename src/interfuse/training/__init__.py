"""The assembled network, the loop, and runs on disk."""

from interfuse.training.checkpoint import Checkpoint, leftovers
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
from interfuse.training.run import Run, load_run, save_run
from interfuse.training.statistics import measure, pool_table

__all__ = [
    "EVAL_BATCH",
    "Adapter",
    "Checkpoint",
    "ModalitySpec",
    "Network",
    "Precision",
    "Run",
    "Trained",
    "count_parameters",
    "leftovers",
    "load_run",
    "make_fusion",
    "match_hidden",
    "measure",
    "pool_table",
    "pools",
    "predict_probs",
    "resolve_precision",
    "save_run",
    "train",
]
