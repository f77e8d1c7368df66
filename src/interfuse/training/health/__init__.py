"""Whether a training is well: what each epoch measures, and what is said of it."""

from interfuse.training.health.baseline import measure_baseline
from interfuse.training.health.findings import describe
from interfuse.training.health.monitor import HealthMonitor

__all__ = [
    "HealthMonitor",
    "describe",
    "measure_baseline",
]
