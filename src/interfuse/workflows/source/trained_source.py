"""How a run reads new rows: by the columns it was trained on, with pairs and splits made the same way."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from interfuse.core.errors import DataError
from interfuse.data import NONE, Examples, SourceSettings, load_examples
from interfuse.workflows.source.source import Source


def read_as_trained(info: Mapping[str, Any], given: SourceSettings) -> SourceSettings:
    """Fill in what the user left open by what the run was trained with; nothing that the run knows is guessed anew.

    Args:
        info: what `run.json` says.
        given: the user's own settings, which go first.
    """
    trained: Mapping[str, str | None] = info["columns"]
    columns: dict[str, Any] = {what: getattr(given, what) or name for what, name in trained.items()}
    if trained.get("image") or trained.get("text"):  # trained without the other: it is not to be guessed either
        columns |= {what: columns[what] or NONE for what in ("image", "text") if what in columns}
    return replace(given, **columns, hard_negatives=given.hard_negatives or info.get("hard_negatives", False))


def describe_split(examples: Examples, read: SourceSettings) -> dict[str, Any] | None:
    """Say how the split of these rows was made, so that it can be made again; None where it was given, or folds."""
    if read.split or read.validation or read.test or read.folds or read.join:
        return None
    names = ("seed", "group", "validation_share", "test_share", "task")
    return {**{name: getattr(read, name) for name in names}, "rows": examples.fingerprint}


def split_again(info: Mapping[str, Any], source: Source, split: str) -> Examples:
    """Make the split that a run was trained with again, on the very rows that it was trained on.

    Raises:
        DataError: the run's split was given, or these are other rows.
    """
    made = dict(info.get("made_split") or {})
    way = "Name its column with split=…, or take on=all."
    if not made:
        raise DataError(
            f"DATA says of no row that it is {split}, and the run does not say how to make its split. {way}"
        )
    rows = made.pop("rows")
    examples = load_examples(source.data, replace(source.read, **made))
    if examples.fingerprint != rows:
        raise DataError(
            f"DATA says of no row that it is {split}, and these are not the rows that the run was trained on, of which "
            f"the split could be made again. {way}"
        )
    return examples
