"""Export a run, and hold what was written to the run's own answers."""

from interfuse.workflows.export.check_rows import AnsweredRows, check, read_rows
from interfuse.workflows.export.export import export_run
from interfuse.workflows.export.quantise import quantise

__all__ = [
    "AnsweredRows",
    "check",
    "export_run",
    "quantise",
    "read_rows",
]
