"""What the library does, a file each: encode, train, compare, predict."""

from interfuse.workflows.compare import CompareSettings, compare
from interfuse.workflows.diagnose import DiagnoseSettings, diagnose, diagnose_seeds, open_for_diagnosis
from interfuse.workflows.encode import Portion
from interfuse.workflows.encoder_settings import EncoderSettings, default_store
from interfuse.workflows.finetune import finetune_run
from interfuse.workflows.inspect import inspect_source
from interfuse.workflows.predict import Predictions, evaluate, predict
from interfuse.workflows.predict_stream import Streamed, StreamSettings, predict_stream
from interfuse.workflows.prepare import Prepared, encode_examples, encode_source, prepare
from interfuse.workflows.source import Source
from interfuse.workflows.study import Study
from interfuse.workflows.train import train_run
from interfuse.workflows.tune import SPACE

__all__ = [
    "SPACE",
    "CompareSettings",
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
    "predict",
    "predict_stream",
    "prepare",
    "train_run",
]
