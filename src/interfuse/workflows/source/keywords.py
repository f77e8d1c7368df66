"""Settings given by keyword, as the front door takes them, each sorted to the dataclass that it is a field of."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, unknown
from interfuse.data import SourceSettings
from interfuse.settings import EncoderSettings, default_store
from interfuse.workflows.source.source import DESIGN_FIELDS, Source


def names_of(settings: type[Any]) -> tuple[str, ...]:
    """Return the names of the fields of a settings dataclass."""
    return tuple(field.name for field in fields(settings))


READ, ENCODE = names_of(SourceSettings), names_of(EncoderSettings)
OF_RUN = tuple(name for name in ENCODE if name not in ("store", "device", "encoding_batch"))
"""Settings of the encoders that a run brings itself."""
TERMS = tuple(name for name in names_of(Design) if name not in ("fusion", "name", "settings", "model", *DESIGN_FIELDS))
"""Settings of a design that are neither its fusion's own nor the encoders'."""


def sort_settings(settings: Mapping[str, Any], *groups: Iterable[str]) -> list[dict[str, Any]]:
    """Return for each group of names the settings that it holds; one that several hold goes to each.

    Raises:
        ConfigError: no group holds a setting.
    """
    holders = [frozenset(group) for group in groups]
    known = frozenset().union(*holders)
    for name in settings:
        if name not in known:
            raise ConfigError(unknown("setting", name, known))
    return [{name: value for name, value in settings.items() if name in holder} for holder in holders]


def sort_settings_of_run(settings: Mapping[str, Any], *groups: Iterable[str]) -> list[dict[str, Any]]:
    """Sort what is given beside a run, after `READ` and `ENCODE` for its rows: the run brings its encoders itself.

    Raises:
        ConfigError: no group holds a setting, or it is one of the encoders that the run was trained with.
    """
    for name in settings:
        if name in OF_RUN:
            raise ConfigError(
                f"{name} is the run's own, which opens the encoders that it was trained with: leave {name} out."
            )
    return sort_settings(settings, READ, ENCODE, *groups)


def make_source(data: Any, read: Mapping[str, Any], encode: Mapping[str, Any]) -> Source:
    """Return the source of the data, with paths as texts or as `Path`, and the default store where none is given."""
    store = Path(encode.get("store") or default_store())
    rows = str(data) if isinstance(data, Path) else data
    return Source(rows, SourceSettings(**read), EncoderSettings(**{**encode, "store": store}))
