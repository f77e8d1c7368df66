"""Train designs on a source: rows prepared once, runs kept as they are done, encoders tuned too."""

from interfuse.workflows.train.api import TrainSettings
from interfuse.workflows.train.finetune import finetune_run
from interfuse.workflows.train.prepare import Prepared, prepare
from interfuse.workflows.train.runs import RunContext, Trial, is_done, read_failure, run_trial, run_trials, tidy
from interfuse.workflows.train.train import train_run
from interfuse.workflows.train.training_set import TrainingSet, make_training_set

__all__ = [
    "Prepared",
    "RunContext",
    "TrainSettings",
    "TrainingSet",
    "Trial",
    "finetune_run",
    "is_done",
    "make_training_set",
    "prepare",
    "read_failure",
    "run_trial",
    "run_trials",
    "tidy",
    "train_run",
]
