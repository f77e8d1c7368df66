"""The assembled network, its objectives, the loop, what is learnt of its cost, and runs on disk."""

from interfuse.settings import EVAL_BATCH, FinetuneSettings, Precision
from interfuse.training import distributed
from interfuse.training.checkpoint import Checkpoint, leftovers
from interfuse.training.contrastive import check_contrastive
from interfuse.training.costs import measure_costs
from interfuse.training.distributed import leave
from interfuse.training.finetuning import finetune
from interfuse.training.inference import predict_probs
from interfuse.training.linear import fit_linear, read_texts
from interfuse.training.loop import Trained, steps_an_epoch, train
from interfuse.training.network import (
    Adapter,
    LinearAdapter,
    ModalitySpec,
    Network,
    NetworkOutput,
    check_design,
    count_parameters,
    make_fusion,
    match_hidden,
    pools,
)
from interfuse.training.objective import check_objective, to_probs
from interfuse.training.options import TrainingOptions, resolve_precision
from interfuse.training.run import FINETUNED, PROJECTION, VOCABULARY, Run, load_run, save_run
from interfuse.training.run_record import COLUMNS, ENCODER_SETTINGS, SPLIT_RECIPE, read_run_record
from interfuse.training.token_statistics import measure, pool_table

__all__ = [
    "COLUMNS",
    "ENCODER_SETTINGS",
    "EVAL_BATCH",
    "FINETUNED",
    "PROJECTION",
    "SPLIT_RECIPE",
    "VOCABULARY",
    "Adapter",
    "Checkpoint",
    "FinetuneSettings",
    "LinearAdapter",
    "ModalitySpec",
    "Network",
    "NetworkOutput",
    "Precision",
    "Run",
    "Trained",
    "TrainingOptions",
    "check_contrastive",
    "check_design",
    "check_objective",
    "count_parameters",
    "distributed",
    "finetune",
    "fit_linear",
    "leave",
    "leftovers",
    "load_run",
    "make_fusion",
    "match_hidden",
    "measure",
    "measure_costs",
    "pool_table",
    "pools",
    "predict_probs",
    "read_run_record",
    "read_texts",
    "resolve_precision",
    "save_run",
    "steps_an_epoch",
    "to_probs",
    "train",
]
