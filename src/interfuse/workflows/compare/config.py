"""What a comparison is asked for as a file: every study writes `study.toml`, and `compare` can be given it again."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, unknown
from interfuse.core.files import write_atomically
from interfuse.core.settings import build
from interfuse.core.toml import to_toml
from interfuse.data import SourceSettings
from interfuse.workflows.compare.request import DEFAULT_FUSIONS, Request
from interfuse.workflows.compare.settings import CompareSettings
from interfuse.workflows.source import EncoderSettings, default_store
from interfuse.workflows.study import Study

CONFIG_FILE = "study.toml"
TYPE_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a text"}
TOML_TYPES: dict[type, set[type]] = {bool: {bool}, int: {int}, float: {int, float}, str: {str}, Path: {str}}
"""What a file may give for a setting of each type."""
GROUPS = (Design, SourceSettings, EncoderSettings, CompareSettings)
"""Whose fields are settings of a comparison; the encoders are the command's, not a design's."""
ELSEWHERE = {"fusion", "name", "settings"}
"""Fields of a design that are no setting of a comparison."""
HEAD = """\
# What this study was asked for: `interfuse compare --config study.toml` asks for the same again.
# Paths are as they were given, from the folder that the command was given in.
"""


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


def write_config(study: Study, request: Request) -> None:
    """Write what was asked for beside the study's record, once.

    Rows that are a table in memory are left out: they are given again beside the file.
    """
    path = study.folder / CONFIG_FILE
    if path.is_file():
        return
    text = "\n".join([HEAD, *(to_toml(group) for group in _list_groups(request) if group)])
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _list_groups(request: Request) -> list[dict[str, Any]]:
    """Return the settings in groups: rows, encoders, comparison, what all designs share, designs of a file."""
    source, settings = request.source, request.settings
    in_memory = not isinstance(source.data, str | Path)
    rows = {**({} if in_memory else _keep_plain({"data": source.data})), **_keep_plain(vars(source.read))}
    encoders = _keep_plain(vars(source.encode))
    if source.encode.store == default_store():
        del encoders["store"]  # each machine has its own
    comparison = _keep_plain({**vars(settings), "designs": None, "fusions": None})
    shared = vars(build(Design, "the designs", {**settings.base, "fusion": "concat"}))
    terms = _keep_plain({name: shared[name] for name in settings.base if name not in {*ELSEWHERE, *encoders}})
    if settings.designs:
        tables = {design.name: _tabulate(design, request.base) for design in request.designs}
        return [rows, encoders, comparison, terms, {"designs": tables}]
    fusions = [part.strip() for part in (settings.fusions or DEFAULT_FUSIONS).split(",")]
    return [rows, encoders, {"fusions": list(filter(None, fusions)), **comparison}, terms]


def _list_settings() -> dict[str, Any]:
    """Return every setting and the type that it has."""
    hints = {name: hint for group in GROUPS for name, hint in get_type_hints(group).items()}
    elsewhere = {*ELSEWHERE, "model"}  # which no two designs need share
    settings = {name: hint for name, hint in hints.items() if name not in elsewhere and get_origin(hint) is not Mapping}
    return {"data": str, **settings}


def _keep_plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what a file can hold: paths as texts, no mapping, nothing that is None, no name that is not UTF-8."""
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
    return {name: v for name, v in plain.items() if v is not None and not isinstance(v, Mapping) and _is_utf8(v)}


def _tabulate(design: Design, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of a design: what it has beside the settings that all share."""
    plain = build(Design, "the designs", {**base, "fusion": design.fusion})
    own = {name: getattr(design, name) for name in Design.__dataclass_fields__ if name not in ELSEWHERE}
    own = {name: value for name, value in own.items() if value != getattr(plain, name)}
    table = {"fusion": design.fusion, **design.settings, **own}
    return {name: "none" if value is None else value for name, value in table.items()}


def _is_utf8(value: Any) -> bool:
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True


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
