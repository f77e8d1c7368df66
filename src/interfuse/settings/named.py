"""What a command names and must be there: rows, a run, a study; refused without opening any of them."""

from pathlib import Path
from typing import Any

from interfuse.core.errors import DataError

SEPARATORS = {".csv": ",", ".tsv": "\t"}
ENDINGS = (*SEPARATORS, ".jsonl", ".ndjson", ".parquet")
"""Files of rows."""
BUILT_IN = "easy-vqa"
KINDS = ("coco", "folder", "hf", "wds")
"""Prefixes of DATA that name a collection."""
OF_FOLDERS = ("coco", "folder")
"""Those whose rest is a folder."""


def check_file(path: Path) -> str:
    """Return the ending of a file of rows, in small letters.

    Raises:
        DataError: the file is absent, empty or of another kind.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise DataError(
            f"Cannot read {path.name!r}: DATA is a file that ends in {', '.join(ENDINGS)}, a folder of pictures, "
            f"coco:DIR, hf:DIR, wds:PATTERN, or the built-in {BUILT_IN}."
        )
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty.")
    return ending


def check_folder(name: str) -> Path:
    """Return a folder of rows.

    Raises:
        DataError: there is none.
    """
    if not Path(name).is_dir():
        raise DataError(f"There is no folder {name}.")
    return Path(name)


def check_image_folder(folder: str | Path | None) -> Path | None:
    """Return the folder that picture files are relative to.

    Raises:
        DataError: it is no folder.
    """
    if folder and not Path(folder).is_dir():
        raise DataError(f"image_folder={folder} is no folder.")
    return Path(folder) if folder else None


def check_data(data: Any, image_folder: str | Path | None = None) -> None:
    """Refuse rows that are not there; what is no file and no folder is seen when it is opened.

    Args:
        data: as a command takes it.
        image_folder: as a command takes it.

    Raises:
        DataError: there is no such file or folder, or it is no file of rows.
    """
    if not isinstance(data, str | Path) or data == BUILT_IN:
        return
    kind, colon, rest = str(data).partition(":")
    if colon and kind == "known":
        return
    check_image_folder(image_folder)
    if not (colon and kind in KINDS):
        if not Path(data).is_dir():
            check_file(Path(data))
    elif kind in OF_FOLDERS:
        check_folder(rest)


def check_run(folder: Path) -> None:
    """Refuse a folder that holds no finished run.

    Raises:
        DataError: it holds none.
    """
    if not (folder / "run.json").is_file():
        runs = sorted(str(path.parent.relative_to(folder)) for path in folder.glob("**/run.json"))[:5]
        hint = f" It holds runs: {', '.join(runs)}." if runs else ""
        raise DataError(f"{folder} holds no finished run (no run.json).{hint} Give the folder of one run.")


def is_study(folder: Path) -> bool:
    """Return whether a folder holds a study."""
    return (folder / "study.json").is_file()


def check_study(folder: Path) -> None:
    """Refuse a folder that holds no study.

    Raises:
        DataError: it holds none.
    """
    if not is_study(folder):
        raise DataError(f"{folder} holds no study (no study.json). Give the folder that compare wrote with out=….")
