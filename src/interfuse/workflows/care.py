"""Which encoders' tokens the studies and runs still need."""

from collections.abc import Iterable
from pathlib import Path

from interfuse.core.errors import DataError
from interfuse.core.files import read_json
from interfuse.store import folder_name


def used_folders(studies: Iterable[Path]) -> set[str]:
    """Name the store folders whose tokens these studies or runs were made with.

    Raises:
        DataError: a folder is neither a study nor a run, or says nothing of its encoders.
    """
    used = set()
    for folder in studies:
        record = next((path for name in ("study.json", "run.json") if (path := folder / name).is_file()), None)
        if record is None:
            raise DataError(f"{folder} is neither a study nor a run (no study.json, no run.json).")
        try:
            encoders = read_json(record)["encoders"]
            used |= {folder_name(signature) for signature in encoders.values()}
        except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
            raise DataError(f"{record} cannot be read: {error}. Nothing is removed while that is so.") from error
    return used
