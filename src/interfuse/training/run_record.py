"""What `run.json` may say: every entry that is used, by name and kind. A stranger's file sets nothing else."""

from pathlib import Path
from typing import Any

from interfuse.core.checks import (
    COUNT,
    NULL,
    NUMBER,
    OBJECT,
    TEXT,
    TRUTH,
    Kind,
    Record,
    below,
    check_record,
    list_of,
    object_of,
    object_with,
    one_of,
)
from interfuse.core.errors import DataError
from interfuse.core.files import read_json
from interfuse.core.tasks import TASKS

RUN_FILE = "run.json"
FORMAT = 1
LARGEST_WIDTH = 1 << 20
"""Widest token that a run may name."""
_INPUT = object_with({"dim": below(COUNT, LARGEST_WIDTH), "grid": NULL | list_of(below(COUNT, 1 << 16), least=2)})
_SIGNATURE = object_with(
    {}, {"name": TEXT, "dtype": TEXT, "weights": TEXT, "projection": object_with({"digest": TEXT}), "tuned_from": TEXT}
)
_ENCODERS = {"image_encoder": TEXT, "text_encoder": TEXT, "image_size": NULL | below(COUNT, 1 << 14)}
COLUMNS = ("image", "text", "label", "id", "group", "split")
"""Columns that a run remembers by name; nothing else of how rows are read is taken from its record."""
SPLIT_RECIPE: dict[str, Kind] = {
    "seed": COUNT,
    "group": NULL | TEXT,
    "copies": TEXT,
    "validation_share": NUMBER,
    "test_share": NUMBER,
    "task": NULL | TEXT,
    "rows": TEXT,
}
"""How a split was made, to be made again."""
KINDS: dict[str, Kind] = {
    "format": COUNT,
    "design": OBJECT,
    "inputs": object_with({"image": _INPUT, "text": _INPUT}),
    "task": one_of(*TASKS),
    "label_names": list_of(TEXT, least=1),
    "label_values": NULL | list_of(TEXT | NUMBER | TRUTH),
    "known": NULL | TEXT,
    "fingerprint": TEXT,
    "encoders": object_with({}, {"image": _SIGNATURE, "text": _SIGNATURE}),
    "encoder_settings": object_with(_ENCODERS, {"store_dtype": TEXT, "store_dim": NULL | COUNT}),
    "columns": object_with({}, dict.fromkeys(COLUMNS, NULL | TEXT)),
    "made_split": NULL | object_with({}, SPLIT_RECIPE),
    "trained_on_missing": object_with({"image": TRUTH, "text": TRUTH}),
    "hard_negatives": TRUTH,
    "device": TEXT,
    "name": TEXT,
    "design_key": TEXT,
    "seed": COUNT,
    "fold": COUNT,
    "parameters": COUNT,
    "train_seconds": NUMBER,
    "train_rows": COUNT,
    "best_epoch": COUNT,
    "metrics": object_of(object_of(NULL | NUMBER)),
}


def read_run_record(folder: Path, needed: tuple[str, ...] = ()) -> Record:
    """Read a run's `run.json`, every entry of the kind that it must be.

    Args:
        folder: of the run.
        needed: entries that must be there.

    Raises:
        DataError: it cannot be read, was damaged, lacks an entry or has one of another kind.
    """
    path = folder / RUN_FILE
    value: Any = read_json(path)
    if isinstance(value, dict) and value.get("format", FORMAT) != FORMAT:
        raise DataError(f"{folder}: format {value['format']!r} is not {FORMAT}; open it with the version it names.")
    record = check_record(path, value, KINDS, needed)
    if record.get("columns"):
        record["columns"] = {name: column for name, column in record["columns"].items() if name in COLUMNS}
    if record.get("encoder_settings"):
        settings = record["encoder_settings"]
        record["encoder_settings"] = {name: settings[name] for name in settings if name in ENCODER_SETTINGS}
    if record.get("made_split"):
        record["made_split"] = {name: value for name, value in record["made_split"].items() if name in SPLIT_RECIPE}
    return record


ENCODER_SETTINGS = (*_ENCODERS, "store_dtype", "store_dim")
"""Settings of the encoders that a run brings."""
