"""Train designs on a source: rows prepared once, runs kept as they are done, encoders fine-tuned too."""

from interfuse.workflows.train.api import TrainSettings
from interfuse.workflows.train.finetune import Compute, finetune_run
from interfuse.workflows.train.prepare import Prepared, encode_rows, prepare
from interfuse.workflows.train.runs import RunContext, Trial, is_done, read_failure, run_trial, run_trials, tidy
from interfuse.workflows.train.source_rows import SourceRows, read_rows
from interfuse.workflows.train.train import train_run
from interfuse.workflows.train.training_set import TrainingSet, make_training_set

__all__ = [
    "Compute",
    "Prepared",
    "RunContext",
    "SourceRows",
    "TrainSettings",
    "TrainingSet",
    "Trial",
    "encode_rows",
    "finetune_run",
    "is_done",
    "make_training_set",
    "prepare",
    "read_failure",
    "read_rows",
    "run_trial",
    "run_trials",
    "tidy",
    "train_run",
]
