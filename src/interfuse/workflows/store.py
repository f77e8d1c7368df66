"""Which encoders' tokens the studies and runs still need."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from interfuse.core.errors import DataError
from interfuse.core.files import read_json
from interfuse.store import folder_name, load_projections
from interfuse.workflows.encode import FOLDER


def used_folders(studies: Iterable[Path]) -> set[str]:
    """Return the names of the store folders whose tokens these studies or runs were made with.

    Raises:
        DataError: a folder is neither a study nor a run, or says nothing of its encoders.
    """
    return {folder_name(signature) for signature in _signatures(studies)}


def unused_projections(store: Path, studies: Iterable[Path]) -> list[Path]:
    """List the projections in a store by which none of these studies or runs made its tokens.

    A run carries a copy of its own, so removing one costs no more than fitting it anew.

    Raises:
        DataError: a folder is neither a study nor a run, or says nothing of its encoders.
        StoreError: a projection cannot be read.
    """
    used = {signature.get("projection", {}).get("digest") for signature in _signatures(studies)}
    return [
        path
        for path in sorted((store / FOLDER).glob("*.safetensors"))
        if used.isdisjoint(projection.digest for projection in load_projections(path).values())
    ]


def _signatures(studies: Iterable[Path]) -> Iterator[Mapping[str, Any]]:
    """Return what each of these studies and runs says of its encoders."""
    for folder in studies:
        record = next((path for name in ("study.json", "run.json") if (path := folder / name).is_file()), None)
        if record is None:
            raise DataError(f"{folder} is neither a study nor a run (no study.json, no run.json).")
        try:
            signatures = list(read_json(record)["encoders"].values())
            for signature in signatures:
                folder_name(signature)
        except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
            raise DataError(f"{record} cannot be read: {error}. Nothing is removed while that is so.") from error
        yield from signatures
