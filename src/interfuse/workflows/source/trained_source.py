"""How a run reads new rows: by the columns it was trained on, with pairs and splits made the same way."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from interfuse.core.errors import DataError
from interfuse.data import NONE, Examples, SourceSettings, load_examples
from interfuse.workflows.source.source import Source


def read_as_trained(info: Mapping[str, Any], settings: SourceSettings) -> SourceSettings:
    """Fill in what the user left open by what the run was trained with; nothing that the run knows is guessed anew.

    Args:
        info: what `run.json` says.
        settings: the user's own settings, which go first.
    """
    trained: Mapping[str, str | None] = info["columns"]
    columns: dict[str, Any] = {what: getattr(settings, what) or name for what, name in trained.items()}
    if trained.get("image") or trained.get("text"):  # trained without the other: it is not to be guessed either
        columns |= {what: columns[what] or NONE for what in ("image", "text") if what in columns}
    return replace(settings, **columns, hard_negatives=settings.hard_negatives or info.get("hard_negatives", False))


def describe_split(examples: Examples, read: SourceSettings) -> dict[str, Any] | None:
    """Return how the split of these rows was made, to be made again; None where it was given, or several."""
    if read.split or read.validation or read.test or read.folds or read.resplit or read.join:
        return None
    names = ("seed", "group", "copies", "validation_share", "test_share", "task")
    return {**{name: getattr(read, name) for name in names}, "rows": examples.fingerprint}


def split_again(info: Mapping[str, Any], source: Source, split: str) -> Examples:
    """Make the split that a run was trained with again, on the very rows that it was trained on.

    Raises:
        DataError: the run's split was given, or these are other rows.
    """
    recipe = dict(info.get("made_split") or {})
    way = "Name its column with split=…, or take on=all."
    if not recipe:
        raise DataError(
            f"DATA says of no row that it is {split}, and the run does not say how to make its split. {way}"
        )
    rows = recipe.pop("rows")
    examples = load_examples(source.data, replace(source.read, **recipe))
    if examples.fingerprint != rows:
        raise DataError(
            f"DATA says of no row that it is {split}, and these are not the rows that the run was trained on, of which "
            f"the split could be made again. {way}"
        )
    return examples
