"""Compare designs on the same rows: asked for, matched in size, tuned, trained, and kept as a study."""

from interfuse.settings import read_config
from interfuse.workflows.compare.compare import compare
from interfuse.workflows.compare.config import write_config

__all__ = [
    "compare",
    "read_config",
    "write_config",
]
