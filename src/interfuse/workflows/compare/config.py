"""What a comparison is asked for as a file: every study writes `study.toml`, and `compare` can be given it again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interfuse.core.design import Design
from interfuse.core.files import write_atomically
from interfuse.core.settings import build
from interfuse.core.toml import to_toml
from interfuse.settings import NO_SETTING, default_store
from interfuse.workflows.compare.request import DEFAULT_FUSIONS, Request
from interfuse.workflows.study import Study

CONFIG_FILE = "study.toml"
HEAD = """\
# What this study was asked for: `interfuse compare --config study.toml` asks for the same again.
# Paths are as they were given, from the folder that the command was given in.
"""


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
    terms = _keep_plain({name: shared[name] for name in settings.base if name not in {*NO_SETTING, *encoders}})
    if settings.designs:
        tables = {design.name: _tabulate(design, request.base) for design in request.designs}
        return [rows, encoders, comparison, terms, {"designs": tables}]
    fusions = [part.strip() for part in (settings.fusions or DEFAULT_FUSIONS).split(",")]
    return [rows, encoders, {"fusions": list(filter(None, fusions)), **comparison}, terms]


def _keep_plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what a file can hold: paths as texts, no mapping, nothing that is None, no name that is not UTF-8."""
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
    return {name: v for name, v in plain.items() if v is not None and not isinstance(v, Mapping) and _is_utf8(v)}


def _tabulate(design: Design, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table of a design: what it has beside the settings that all share."""
    plain = build(Design, "the designs", {**base, "fusion": design.fusion})
    own = {name: getattr(design, name) for name in Design.__dataclass_fields__ if name not in NO_SETTING}
    own = {name: value for name, value in own.items() if value != getattr(plain, name)}
    table = {"fusion": design.fusion, **design.settings, **own}
    return {name: "none" if value is None else value for name, value in table.items()}


def _is_utf8(value: Any) -> bool:
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return False
    return True
