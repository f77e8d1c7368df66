"""A study on disk: its scores by any metric, its report, and the rows that the report shows."""

from interfuse.workflows.study.example_rows import keep_examples
from interfuse.workflows.study.further_seeds import add_seeds, confirm
from interfuse.workflows.study.record import TUNING_FOLDER
from interfuse.workflows.study.report_details import EXAMPLES_FILE
from interfuse.workflows.study.study import Study

__all__ = [
    "EXAMPLES_FILE",
    "TUNING_FOLDER",
    "Study",
    "add_seeds",
    "confirm",
    "keep_examples",
]
