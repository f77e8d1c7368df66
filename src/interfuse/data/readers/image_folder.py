"""A folder of pictures: the class is the folder's name, captions stand in a table beside them."""

import os
from pathlib import Path, PurePosixPath

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.pictures import to_name, to_path
from interfuse.data.readers.collection import PICTURE_ENDINGS, Collection
from interfuse.data.readers.column_guesses import LABEL_NAMES, TEXT_NAMES, find_column
from interfuse.data.readers.spelling import readable
from interfuse.data.readers.table import read_frame
from interfuse.data.splits import NAMES
from interfuse.data.tables import as_texts
from interfuse.settings import ENDINGS

TABLES = ("captions", "metadata")
KEY_NAMES = ("file_name", "file", "filename", "image", "path", "photo", "picture")


def read_image_folder(folder: Path, allow_outside: bool = False) -> Collection:
    """Read DIR/CLASS/….jpg or DIR/train/CLASS/….jpg, and captions.csv or metadata.csv (.tsv, .jsonl, .parquet) in DIR.

    The table names its pictures in a column file_name, file or image, by their path from DIR or by their bare name;
    several rows a picture give several rows. A picture right in DIR (or in its split's folder) has no class of its own.
    A symbolic link to a folder is followed where it stays inside DIR; others are counted and said aloud.

    Args:
        folder: DIR.
        allow_outside: follow links that lead outside DIR too.

    Raises:
        DataError: there is no such folder or no picture in it, or the table names no picture.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    walk = _Walk(folder, allow_outside)
    files = sorted(walk.files)
    notes = walk.notes()
    if not files:
        raise DataError(f"{folder} has no picture ({', '.join(PICTURE_ENDINGS)}).{' '.join(['', *notes])}")
    tops = {file.parts[0] for file in files if len(file.parts) > 1}
    split = bool(tops) and all(top.lower() in NAMES for top in tops) and all(len(file.parts) > 1 for file in files)
    inner = [file.parts[1:-1] if split else file.parts[:-1] for file in files]
    frame = pl.DataFrame(
        {
            "image": [to_name(str(file)) for file in files],
            "class": [readable("/".join(parts)) or None for parts in inner],
            "split": [file.parts[0] if split else None for file in files],
        },
        schema={"image": pl.String, "class": pl.String, "split": pl.String},
    )
    columns = {"image": "image", **({"split": "split"} if split else {})}
    classes = frame["class"].drop_nulls().n_unique()
    columns |= {"label": "class"} if classes else {}
    notes.insert(0, f"Folder: {len(files):,} pictures" + (f" in {classes} folders, the classes." if classes else "."))
    table = next((folder / f"{name}{e}" for name in TABLES for e in ENDINGS if (folder / f"{name}{e}").is_file()), None)
    if table is not None:
        frame, caption_columns = _with_table(frame, table, notes)
        columns = {**caption_columns, **columns}
    return Collection(frame, folder, columns, None, notes)


class _Walk:
    """The pictures below a folder, and the folders that were left out."""

    def __init__(self, folder: Path, allow_outside: bool) -> None:
        self.folder, self.real, self.allow_outside = folder, os.path.realpath(folder), allow_outside
        self.files: list[PurePosixPath] = []
        self.skipped: dict[str, list[str]] = {}
        self._visit(folder, (self.real,))

    def notes(self) -> list[str]:
        """Return a sentence for each reason why folders were left out."""
        return [
            f"warning: {len(paths):,} {why}, such as {readable(paths[0])!r}." for why, paths in self.skipped.items()
        ]

    def _visit(self, place: Path, above: tuple[str, ...]) -> None:
        """Look into one folder; `above` are the true paths of it and of the folders that led here."""
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            self._leave(f"folders cannot be read ({error.strerror})", place)
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = Path(entry.path)
            if entry.is_dir():
                real = os.path.realpath(entry.path)
                why = self._refuse(real, above) if entry.is_symlink() else None
                if why is None:
                    self._visit(path, (*above, real))
                else:
                    self._leave(f"symbolic links to folders {why}", path)
            elif entry.name.lower().endswith(PICTURE_ENDINGS):
                self.files.append(PurePosixPath(path.relative_to(self.folder).as_posix()))

    def _leave(self, why: str, path: Path) -> None:
        self.skipped.setdefault(why, []).append(str(path.relative_to(self.folder)))

    def _refuse(self, real: str, above: tuple[str, ...]) -> str | None:
        if real in above:
            return "lead back to a folder above them and are not followed"
        inside = real.startswith(self.real.rstrip(os.sep) + os.sep)
        return (
            None
            if inside or self.allow_outside
            else "lead outside and are not followed (allow_outside=True follows them)"
        )


def _with_table(frame: pl.DataFrame, path: Path, notes: list[str]) -> tuple[pl.DataFrame, dict[str, str]]:
    """Join the captions to the pictures; say how many have none."""
    table = read_frame(path)
    key = find_column(table, KEY_NAMES)
    if key is None:
        raise DataError(
            f"{path} does not say which picture a row is about: name the column file_name. It has: "
            f"{', '.join(table.columns)}."
        )
    values = [PurePosixPath(name or "").as_posix() for name in as_texts(table[key])]
    keys = [readable(str(to_path(name))) for name in frame["image"].to_list()]
    if not set(values) & set(keys):
        keys = [PurePosixPath(name).name for name in keys]
    hits = set(values) & set(keys)
    if not hits:
        raise DataError(f"{path}: no value of column {key!r} is a picture of the folder; the first: {values[0]!r}.")
    others = {name: f"{name} (table)" for name in table.columns if name in ("image", "class", "split")}
    right = table.rename(others).with_columns(pl.Series("interfuse_key", values))
    joined = frame.with_columns(pl.Series("interfuse_key", keys)).join(
        right, on="interfuse_key", how="left", maintain_order="left_right"
    )
    without = sum(name not in hits for name in keys)
    notes.append(
        f"Captions: {path.name}, by column {key!r}; {without:,} pictures have no row in it, "
        f"{len(set(values) - hits):,} names in it are no picture of the folder."
    )
    rest = table.drop(key)
    guesses = {"text": find_column(rest, TEXT_NAMES), "label": find_column(rest, LABEL_NAMES)}
    return joined.drop("interfuse_key"), {what: others.get(name, name) for what, name in guesses.items() if name}
