"""Values that the shell completes: designs, metrics, encoders, and the columns of the file that is given."""

import csv
import json
import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from interfuse.core.devices import KNOWN
from interfuse.core.tasks import spell_metrics
from interfuse.settings import IMAGE_ENCODERS, SEPARATORS, TEXT_ENCODERS, fusion_names

MAX_HEADER = 1 << 16
"""Bytes of a file that are read for the names of its columns."""


def fitting(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return what completes a word to one of these names."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names() if name.startswith(incomplete)]

    return complete


def complete_fusions(incomplete: str) -> list[str]:
    """Complete the last of several fusions, joined by commas."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in fusion_names() if name.startswith(last)]


def complete_column(incomplete: str) -> list[str]:
    """Complete the name of a column of the first file that the command line names."""
    columns = next(filter(None, map(read_columns, typed_files())), [])
    return [name for name in columns if name.startswith(incomplete)]


def typed_files() -> list[Path]:
    """List the words of the line that is being completed that may name files; the shell hands it over.

    The parser of the command line drops every argument where the last option still lacks its value.
    """
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    return [Path(word) for word in split_words(line)[1:] if not word.startswith("-")]


def split_words(line: str) -> list[str]:
    """Split a line as the shell does; a quotation that is still open ends with the line.

    >>> split_words("interfuse compare 'my rows.csv' --label 'the")
    ['interfuse', 'compare', 'my rows.csv', '--label', 'the']
    """
    words = shlex.shlex(line, posix=True)
    words.whitespace_split, words.commenters, parts = True, "", list[str]()
    try:
        parts.extend(words)
    except ValueError:  # an open quotation
        parts.append(words.token)
    return parts


def read_columns(path: Path) -> list[str]:
    """Read the names of the columns from a file's first line; of other files than CSV, TSV and JSON lines: none."""
    ending = path.suffix.lower()
    if ending not in (*SEPARATORS, ".jsonl", ".ndjson") or not path.is_file():
        return []
    try:
        with path.open("rb") as file:
            line = file.readline(MAX_HEADER).decode("utf-8-sig").rstrip("\r\n")
        if ending in SEPARATORS:
            return next(csv.reader([line], delimiter=SEPARATORS[ending]), [])
        row = json.loads(line)
        return list(row) if isinstance(row, dict) else []
    except (OSError, ValueError, csv.Error):
        return []


COMPLETIONS: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("image", "text", "label", "id", "group", "split"), complete_column),
    "baseline": fitting(fusion_names),
    "device": fitting(lambda: KNOWN),
    "fusion": fitting(fusion_names),
    "fusions": complete_fusions,
    "image_encoder": fitting(lambda: IMAGE_ENCODERS),
    "metric": fitting(spell_metrics),
    "text_encoder": fitting(lambda: TEXT_ENCODERS),
}
"""Setting to what completes it."""
