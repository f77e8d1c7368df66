"""How a run reads new rows: by the columns it was trained on, and with pairs drawn the same way."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from interfuse.data import SourceSettings
from interfuse.data.guesses import NONE


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
