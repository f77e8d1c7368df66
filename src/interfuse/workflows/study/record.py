"""A study's record, `study.json`: written when the study begins, and never for another study in the same folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from interfuse.core.checks import (
    COUNT,
    NULL,
    NUMBER,
    OBJECT,
    TEXT,
    Record,
    below,
    check_record,
    list_of,
    object_of,
    object_with,
    one_of,
)
from interfuse.core.errors import ConfigError, DataError
from interfuse.core.files import read_json, write_json
from interfuse.core.tasks import TASKS
from interfuse.training import leftovers

RECORD_FILE = "study.json"
TUNING_FOLDER = "tuning"
"""Runs of a tuning, which is done before the study begins."""
SAME = (
    *("designs", "seeds", "until_sure", "folds", "resplit", "baseline", "margin", "metric", "primary"),
    *("precision", "threads", "encoders"),
)
"""What a study that goes on must have been begun with."""
MOST = 10_000
"""Seeds, folds or repetitions that a record may ask for at most."""
_DATA = object_with(
    {"task": one_of(*TASKS)},
    {
        "source": TEXT,
        "fingerprint": TEXT,
        "label_names": list_of(TEXT),
        "rows": object_of(COUNT),
        "notes": list_of(TEXT),
        **dict.fromkeys(("tested", "groups", "missing_images", "missing_texts", "troubles"), COUNT),
        "test_share": NUMBER,
        "settings": OBJECT,
    },
)
KINDS = {
    "format": COUNT,
    "created": TEXT,
    "command": TEXT,
    "versions": object_of(TEXT),
    "machine": OBJECT,
    "data": _DATA,
    "encoders": object_of(OBJECT),
    "folds": below(COUNT, MOST),
    "resplit": NULL | below(COUNT, MOST),
    "seeds": list_of(below(COUNT, 1 << 32), least=1),
    "until_sure": NULL | below(COUNT, MOST),
    "added": object_of(below(COUNT, MOST)),
    "confirmation": NULL | object_with({"fusion": TEXT, "control": TEXT, "seeds": list_of(COUNT)}),
    "baseline": TEXT,
    "margin": NUMBER,
    "metric": TEXT,
    "primary": NULL | object_with({"first": TEXT, "second": TEXT}),
    "precision": TEXT,
    "threads": COUNT,
    "designs": list_of(object_with({"fusion": TEXT, "name": TEXT, "role": TEXT}, {"key": TEXT}), least=1),
    "tuning": NULL | OBJECT,
}
"""What `study.json` may say."""
NEEDED = ("designs", "seeds", "folds", "baseline", "margin", "metric", "data")


def read_record(folder: Path) -> Record:
    """Read a study's record, every entry of the kind that it must be.

    Raises:
        DataError: it cannot be read, was damaged, lacks an entry, has one of another kind, or contradicts itself.
    """
    path = folder / RECORD_FILE
    record = check_record(path, read_json(path), KINDS, NEEDED)
    names = [entry["name"] for entry in record["designs"]]
    if len(set(names)) < len(names):
        raise DataError(f"{path} names two designs alike: {', '.join(sorted(names))}.")
    mentioned = [record["baseline"], *record.get("added", {})]
    mentioned += [(record.get("confirmation") or {}).get(side) for side in ("fusion", "control")]
    mentioned += [(record.get("primary") or {}).get(side) for side in ("first", "second")]
    for name in mentioned:
        if name is not None and name not in names:
            raise DataError(f"{path} speaks of the design {name!r} and lists {', '.join(names)}.")
    if record["folds"] < 1 or not record["margin"] >= 0:
        raise DataError(f"{path}: folds must be from 1 and margin from 0, got {record['folds']}, {record['margin']}.")
    return record


def begin_record(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Write the record, or return that of the same study, begun before.

    Raises:
        ConfigError: the folder holds another study, or something else.
    """
    path = folder / RECORD_FILE
    if path.is_file():
        earlier: dict[str, Any] = read_record(folder)
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
    return read_record(folder)


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
