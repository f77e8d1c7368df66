"""The settings of a comparison as a file, read."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, unknown
from interfuse.settings.compare import CompareSettings
from interfuse.settings.encoders import EncoderSettings
from interfuse.settings.source import SourceSettings

TYPE_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a text"}
TOML_TYPES: dict[type, set[type]] = {bool: {bool}, int: {int}, float: {int, float}, str: {str}, Path: {str}}
"""What a file may give for a setting of each type."""
GROUPS = (Design, SourceSettings, EncoderSettings, CompareSettings)
"""Whose fields are settings of a comparison; the encoders are the command's, not a design's."""
NO_SETTING = {"fusion", "name", "settings", "model"}
"""Fields of a design that no two designs need share."""


def read_config(path: Path) -> dict[str, Any]:
    """Read the settings of a comparison, by the names that Python gives them.

    A setting is any field of `SourceSettings`, `EncoderSettings`, `CompareSettings` and, for what all designs share,
    `Design`; `data` names the rows. `fusions` may be a list, and designs may stand in the file itself, each as a
    table below `[designs]`: `designs` is then the file.

    Args:
        path: a TOML file.

    Raises:
        ConfigError: the file cannot be read, a setting is not known, or its value is of another type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"Cannot read a comparison from {path}: {error}.") from error
    known = _list_settings()
    settings: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise ConfigError(unknown(f"setting of {path}:", name, known))
        if name == "designs" and isinstance(value, dict):
            settings[name] = path
        elif name == "fusions" and isinstance(value, list) and all(isinstance(fusion, str) for fusion in value):
            settings[name] = ",".join(value)
        else:
            settings[name] = _read_value(f"{path}: {name}", known[name], value)
    return settings


def _list_settings() -> dict[str, Any]:
    """Return every setting and the type that it has."""
    hints = {name: hint for group in GROUPS for name, hint in get_type_hints(group).items()}
    settings = {
        name: hint for name, hint in hints.items() if name not in NO_SETTING and get_origin(hint) is not Mapping
    }
    return {"data": str, **settings}


def _read_value(owner: str, hint: Any, value: Any) -> Any:
    """Return the value, a path where only a path will do, or say what was expected."""
    kinds = _list_kinds(hint)
    if get_origin(hint) is Literal and isinstance(value, str) and value not in get_args(hint):
        raise ConfigError(unknown(f"value of {owner}:", value, get_args(hint)))
    if not any(type(value) in TOML_TYPES[kind] for kind in kinds):
        types = " or ".join(dict.fromkeys(TYPE_WORDS[kind] for kind in kinds if kind is not int or float not in kinds))
        raise ConfigError(f"{owner} must be {types}, got {value!r}.")
    return Path(value) if kinds == [Path] else value


def _list_kinds(hint: Any) -> list[type]:
    """List the types that a setting may have, None aside."""
    if get_origin(hint) is Literal:
        return [str]
    if get_origin(hint) in (Union, UnionType):
        return [kind for option in get_args(hint) if option is not type(None) for kind in _list_kinds(option)]
    return [hint]
