"""What comes from outside: others' files opened safely, their words made harmless, the system's refusals in words."""

from interfuse.core.outside.neutral import FORMULA, NUMBER, neutral_cell, printable
from interfuse.core.outside.regular_files import (
    OddFileError,
    check_inside,
    check_regular_file,
    open_regular_file,
    refuse_out_of_files,
)
from interfuse.core.outside.system_errors import describe_system_error, make_folder, system_error, writing

__all__ = [
    "FORMULA",
    "NUMBER",
    "OddFileError",
    "check_inside",
    "check_regular_file",
    "describe_system_error",
    "make_folder",
    "neutral_cell",
    "open_regular_file",
    "printable",
    "refuse_out_of_files",
    "system_error",
    "writing",
]
