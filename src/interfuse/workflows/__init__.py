"""What the library does, a room a command: encode, train, compare, rank, predict, diagnose, export, serve, publish."""

from interfuse.settings import (
    SPACE,
    CompareSettings,
    DiagnoseSettings,
    EncoderSettings,
    Portion,
    StreamSettings,
    default_store,
)
from interfuse.workflows.compare import compare
from interfuse.workflows.diagnose import diagnose, diagnose_seeds, open_for_diagnosis
from interfuse.workflows.encode import encode_examples, encode_source
from interfuse.workflows.inspect import inspect_source
from interfuse.workflows.plan import plan
from interfuse.workflows.predict import Predictions, Streamed, evaluate, predict, predict_stream
from interfuse.workflows.rank import rank
from interfuse.workflows.source import Source
from interfuse.workflows.study import Study
from interfuse.workflows.train import Compute, Prepared, finetune_run, prepare, train_run

__all__ = [
    "SPACE",
    "CompareSettings",
    "Compute",
    "DiagnoseSettings",
    "EncoderSettings",
    "Portion",
    "Predictions",
    "Prepared",
    "Source",
    "StreamSettings",
    "Streamed",
    "Study",
    "compare",
    "default_store",
    "diagnose",
    "diagnose_seeds",
    "encode_examples",
    "encode_source",
    "evaluate",
    "finetune_run",
    "inspect_source",
    "open_for_diagnosis",
    "plan",
    "predict",
    "predict_stream",
    "prepare",
    "rank",
    "train_run",
]
