"""What the library does, a file each: encode, train, compare, predict."""

from interfuse.workflows.compare import CompareSettings, compare
from interfuse.workflows.encode import Portion
from interfuse.workflows.inspect import inspect_source
from interfuse.workflows.predict import Predictions, evaluate, predict
from interfuse.workflows.prepare import (
    EncoderSettings,
    Prepared,
    Source,
    default_store,
    encode_examples,
    encode_source,
    prepare,
)
from interfuse.workflows.study import Study
from interfuse.workflows.train import train_run

__all__ = [
    "CompareSettings",
    "EncoderSettings",
    "Portion",
    "Predictions",
    "Prepared",
    "Source",
    "Study",
    "compare",
    "default_store",
    "encode_examples",
    "encode_source",
    "evaluate",
    "inspect_source",
    "predict",
    "prepare",
    "train_run",
]
