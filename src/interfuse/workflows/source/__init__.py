"""Where rows come from: the source, its encoders, its troubles, and how a run read its own."""

from interfuse.workflows.source.keywords import (
    ENCODE,
    READ,
    TERMS,
    make_source,
    names_of,
    sort_settings,
    sort_settings_of_run,
)
from interfuse.workflows.source.source import Source, with_absolute_paths
from interfuse.workflows.source.trained_source import describe_split, encoders_of, read_as_trained, split_again
from interfuse.workflows.source.troubles import (
    FILE,
    keep_troubles,
    place_in_store,
    report_failures,
    report_leaks,
    report_troubles,
)

__all__ = [
    "ENCODE",
    "FILE",
    "READ",
    "TERMS",
    "Source",
    "describe_split",
    "encoders_of",
    "keep_troubles",
    "make_source",
    "names_of",
    "place_in_store",
    "read_as_trained",
    "report_failures",
    "report_leaks",
    "report_troubles",
    "sort_settings",
    "sort_settings_of_run",
    "split_again",
    "with_absolute_paths",
]
