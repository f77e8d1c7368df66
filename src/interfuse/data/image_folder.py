"""A folder of pictures: the class is the folder's name, captions stand in a table beside them."""

import os
from pathlib import Path, PurePosixPath

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.collection import PICTURE_ENDINGS, Collection
from interfuse.data.guesses import LABEL_NAMES, TEXT_NAMES, find_column
from interfuse.data.readers import ENDINGS, as_texts, read_frame
from interfuse.data.splits import NAMES

TABLES = ("captions", "metadata")
KEY_NAMES = ("file_name", "file", "filename", "image", "path", "photo", "picture")


def read_image_folder(folder: Path) -> Collection:
    """Read DIR/CLASS/….jpg or DIR/train/CLASS/….jpg, and captions.csv or metadata.csv (.tsv, .jsonl, .parquet) in DIR.

    The table names its pictures in a column file_name, file or image, by their path from DIR or by their bare name;
    several rows a picture give several rows. A picture right in DIR (or in its split's folder) has no class of its own.

    Raises:
        DataError: there is no such folder or no picture in it, or the table names no picture.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    files = sorted(_walk(folder))
    if not files:
        raise DataError(f"{folder} has no picture ({', '.join(PICTURE_ENDINGS)}).")
    tops = {file.parts[0] for file in files if len(file.parts) > 1}
    split = bool(tops) and all(top.lower() in NAMES for top in tops) and all(len(file.parts) > 1 for file in files)
    inner = [file.parts[1:-1] if split else file.parts[:-1] for file in files]
    frame = pl.DataFrame(
        {
            "image": [str(file) for file in files],
            "class": ["/".join(parts) or None for parts in inner],
            "split": [file.parts[0] if split else None for file in files],
        },
        schema={"image": pl.String, "class": pl.String, "split": pl.String},
    )
    columns = {"image": "image", **({"split": "split"} if split else {})}
    classes = frame["class"].drop_nulls().n_unique()
    columns |= {"label": "class"} if classes else {}
    notes = [f"Folder: {len(files):,} pictures" + (f" in {classes} folders, the classes." if classes else ".")]
    table = next((folder / f"{name}{e}" for name in TABLES for e in ENDINGS if (folder / f"{name}{e}").is_file()), None)
    if table is not None:
        frame, found = _with_table(frame, table, notes)
        columns = {**found, **columns}
    return Collection(frame, folder, columns, None, notes)


def _walk(folder: Path) -> list[PurePosixPath]:
    found = []
    for place, inside, names in os.walk(folder):
        inside[:] = [name for name in inside if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(PICTURE_ENDINGS) and not name.startswith("."):
                found.append(PurePosixPath(Path(place, name).relative_to(folder).as_posix()))
    return found


def _with_table(frame: pl.DataFrame, path: Path, notes: list[str]) -> tuple[pl.DataFrame, dict[str, str]]:
    """Join the captions to the pictures; say how many have none."""
    table = read_frame(path)
    key = find_column(table, KEY_NAMES)
    if key is None:
        raise DataError(
            f"{path} does not say which picture a row is about: name the column file_name. It has: "
            f"{', '.join(table.columns)}."
        )
    named = [PurePosixPath(name or "").as_posix() for name in as_texts(table[key])]
    keys = frame["image"].to_list()
    if not set(named) & set(keys):
        keys = [PurePosixPath(name).name for name in keys]
    hits = set(named) & set(keys)
    if not hits:
        raise DataError(f"{path}: no value of column {key!r} is a picture of the folder; the first: {named[0]!r}.")
    others = {name: f"{name} (table)" for name in table.columns if name in ("image", "class", "split")}
    right = table.rename(others).with_columns(pl.Series("interfuse_key", named))
    joined = frame.with_columns(pl.Series("interfuse_key", keys)).join(
        right, on="interfuse_key", how="left", maintain_order="left_right"
    )
    without = sum(name not in hits for name in keys)
    notes.append(
        f"Captions: {path.name}, by column {key!r}; {without:,} pictures have no row in it, "
        f"{len(set(named) - hits):,} names in it are no picture of the folder."
    )
    rest = table.drop(key)
    found = {"text": find_column(rest, TEXT_NAMES), "label": find_column(rest, LABEL_NAMES)}
    return joined.drop("interfuse_key"), {what: others.get(name, name) for what, name in found.items() if name}
