"""Predict new rows with a run, whole or part by part, and score those that have labels."""

from interfuse.workflows.predict.api import EvaluateSettings
from interfuse.workflows.predict.on_ray import PredictTask, predict_on_workers
from interfuse.workflows.predict.predict import Predictions, evaluate, predict, read_for_run, same_encoders
from interfuse.workflows.predict.stream import Streamed, predict_stream

__all__ = [
    "EvaluateSettings",
    "PredictTask",
    "Predictions",
    "Streamed",
    "evaluate",
    "predict",
    "predict_on_workers",
    "predict_stream",
    "read_for_run",
    "same_encoders",
]
