"""A study's record, `study.json`: written when the study begins, and never for another study in the same folder."""

from collections.abc import Mapping, Sequence
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
CARD = ("source", "task", "rows", "label_names", "missing_images", "missing_texts", "groups")
"""What a record says of its rows that a reader can look up."""
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
        differences = list_differences(earlier, record)
        if differences:
            raise ConfigError(f"{folder} holds another comparison: {'; '.join(differences)}. Give another out=….")
        return earlier
    own = {*leftovers(folder), *([folder / TUNING_FOLDER] if "tuning" in record else [])}
    if folder.is_dir() and set(folder.iterdir()) - own:
        raise ConfigError(f"{folder} is not empty and holds no study. Give another out=….")
    write_json(path, record)
    return read_record(folder)


def list_differences(earlier: Mapping[str, Any], record: Mapping[str, Any]) -> list[str]:
    """Return what two studies were not begun with alike, setting by setting, each with both values.

    Args:
        earlier: the record of a study.
        record: of a study to come.
    """
    differences = []
    for name in SAME:
        before, now = earlier.get(name), record.get(name)
        if name == "designs":
            differences += _compare_designs(before or [], now or [])
        elif isinstance(before, Mapping) and isinstance(now, Mapping):
            differences += [f"{name}.{key} is {a}, now given: {b}" for key, a, b in _compare(_flat(before), _flat(now))]
        elif before != now:
            differences.append(f"its {name} {'are' if name.endswith('s') else 'is'} {before}, now given: {now}")
    if earlier["data"]["fingerprint"] != record["data"]["fingerprint"]:
        differences.append(_compare_data(earlier["data"], record["data"]))
    return differences


def _compare_designs(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return which designs are others, and else which of their settings are; roles follow from what is compared."""
    names = [[design["name"] for design in designs] for designs in (before, now)]
    if names[0] != names[1]:
        return [f"its designs are {', '.join(names[0])}, now given: {', '.join(names[1])}"]
    owners: dict[tuple[str, str, str], list[str]] = {}
    for one, other in zip(before, now, strict=True):
        sides = ({n: v for n, v in design.items() if n not in ("role", "key")} for design in (one, other))
        for difference in _compare(*map(_flat, sides)):
            owners.setdefault(difference, []).append(one["name"])
    return [
        f"{setting} of {'every design' if len(of) == len(now) else ', '.join(of)} is {a}, now given: {b}"
        for (setting, a, b), of in owners.items()
    ]


def _compare_data(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return what is not alike of the rows; of one source whose record tells nothing, that its content is another."""
    what = _compare(*({k: v for k, v in card.items() if k in CARD} for card in (before, now)))
    if what:
        return "; ".join(f"{name} of its data is {a}, now given: {b}" for name, a, b in what)
    return f"the rows of {now['source']} are not what they were: a cell, a picture, or the settings that read them"


def _flat(record: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return settings by their names, those of a setting that has settings by `name.name`."""
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, "" if name == "settings" else f"{path}{name}.")
        else:
            flat[path + name] = value
    return flat


def _compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return name and both values, in words, of whatever is not the same."""
    names = dict.fromkeys([*before, *now])
    return [(n, str(before.get(n)), str(now.get(n))) for n in names if before.get(n) != now.get(n)]
