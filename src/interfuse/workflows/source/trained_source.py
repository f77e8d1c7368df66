"""How a run reads new rows: by the columns it was trained on, with pairs and splits made the same way."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from interfuse.core.errors import DataError
from interfuse.core.modalities import MODALITIES
from interfuse.data import NONE, Examples, SourceSettings, load_examples
from interfuse.encoders import check_is_here
from interfuse.settings import EncoderSettings
from interfuse.training import COLUMNS, SPLIT_RECIPE
from interfuse.workflows.source.source import DESIGN_FIELDS, Source


def encoders_of(info: Mapping[str, Any], own: EncoderSettings | None = None, **further: Any) -> EncoderSettings:
    """Return the settings of a run's encoders, once these are known to be here or may be fetched.

    Args:
        info: what `run.json` says: which encoders, and nothing else of how they run.
        own: the user's settings, where tokens are kept and where encoders run; none: the defaults.
        further: other settings of `EncoderSettings`.

    Raises:
        EncoderError: an encoder is not on this machine, and nobody allowed to fetch what a run names.
    """
    named = {name: info["encoder_settings"][name] for name in DESIGN_FIELDS if name in info["encoder_settings"]}
    for modality in MODALITIES:
        check_is_here(str(named.get(f"{modality}_encoder", "")))
    return replace(own or EncoderSettings(), **named, **further)


def read_as_trained(info: Mapping[str, Any], settings: SourceSettings) -> SourceSettings:
    """Fill in what the user left open by what the run was trained with; nothing that the run knows is guessed anew.

    Args:
        info: what `run.json` says.
        settings: the user's own settings, which go first.
    """
    trained: Mapping[str, str | None] = {name: info["columns"][name] for name in COLUMNS if name in info["columns"]}
    columns: dict[str, Any] = {what: getattr(settings, what) or name for what, name in trained.items()}
    if trained.get("image") or trained.get("text"):  # trained without the other: it is not to be guessed either
        columns |= {what: columns[what] or NONE for what in ("image", "text") if what in columns}
    return replace(settings, **columns, hard_negatives=settings.hard_negatives or info.get("hard_negatives", False))


def describe_split(examples: Examples, read: SourceSettings) -> dict[str, Any] | None:
    """Return how the split of these rows was made, to be made again; None where it was given, or several."""
    if read.split or read.validation or read.test or read.folds or read.resplit or read.join:
        return None
    return {**{name: getattr(read, name) for name in SPLIT_RECIPE if name != "rows"}, "rows": examples.fingerprint}


def split_again(info: Mapping[str, Any], source: Source, split: str) -> Examples:
    """Make the split that a run was trained with again, on the very rows that it was trained on.

    Raises:
        DataError: the run's split was given, or these are other rows.
    """
    recipe = {name: value for name, value in (info.get("made_split") or {}).items() if name in SPLIT_RECIPE}
    way = "Name its column with split=…, or take on=all."
    if not recipe:
        raise DataError(
            f"DATA says of no row that it is {split}, and the run does not say how to make its split. {way}"
        )
    rows = recipe.pop("rows", None)
    examples = load_examples(source.data, replace(source.read, **recipe))
    if examples.fingerprint != rows:
        raise DataError(
            f"DATA says of no row that it is {split}, and these are not the rows that the run was trained on, of which "
            f"the split could be made again. {way}"
        )
    return examples
