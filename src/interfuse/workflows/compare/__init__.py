"""Compare designs on the same rows: asked for, matched in size, tuned, trained, and kept as a study."""

from interfuse.workflows.compare.compare import CompareSettings, compare
from interfuse.workflows.compare.config import read_config
from interfuse.workflows.compare.tune import SPACE

__all__ = [
    "SPACE",
    "CompareSettings",
    "compare",
    "read_config",
]
