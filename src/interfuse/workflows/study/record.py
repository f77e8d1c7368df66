"""A study's record, `study.json`: written when the study begins, and never for another study in the same folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interfuse.core.errors import ConfigError
from interfuse.core.files import read_json, write_json
from interfuse.training import leftovers

RECORD_FILE = "study.json"
TUNING_FOLDER = "tuning"
"""Runs of a tuning, which is done before the study begins."""
SAME = (
    *("designs", "seeds", "until_sure", "folds", "resplit", "baseline", "margin", "metric", "primary"),
    *("precision", "threads", "encoders"),
)
"""What a study that goes on must have been begun with."""


def begin_record(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Write the record, or return that of the same study, begun before.

    Raises:
        ConfigError: the folder holds another study, or something else.
    """
    path = folder / RECORD_FILE
    if path.is_file():
        earlier: dict[str, Any] = read_json(path)
        for name in SAME:
            before, now = (_pick(of, name) for of in (earlier, record))
            if before != now:
                raise ConfigError(_say_other(folder, name, before, now))
        if earlier["data"]["fingerprint"] != record["data"]["fingerprint"]:
            raise ConfigError(_say_other(folder, "data", earlier["data"]["source"], record["data"]["source"]))
        return earlier
    own = {*leftovers(folder), *([folder / TUNING_FOLDER] if "tuning" in record else [])}
    if folder.is_dir() and set(folder.iterdir()) - own:
        raise ConfigError(f"{folder} is not empty and holds no study. Give another out=….")
    write_json(path, record)
    return dict(read_json(path))


def _pick(record: Mapping[str, Any], what: str) -> Any:
    """Return one part of what a study was begun with; the designs' roles follow from the others."""
    if what == "designs":
        return [{name: value for name, value in d.items() if name != "role"} for d in record.get("designs") or []]
    return record.get(what)


def _say_other(folder: Path, what: str, before: Any, now: Any) -> str:
    if what == "designs":
        before, now = ([f"{d['name']} ({d['key'][:6]})" for d in designs] for designs in (before, now))
    verb = "are" if what.endswith("s") else "is"
    return f"{folder} holds another comparison: its {what} {verb} {before}, now given: {now}. Give another out=…."
