"""From what the user names to one table: files, joined files, folders, datasets and built-ins, their columns known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import ConfigError, DataError
from interfuse.data.pictures import Unpacked
from interfuse.data.readers.coco import read_coco
from interfuse.data.readers.collection import Collection
from interfuse.data.readers.column_guesses import (
    IMAGE_NAMES,
    LABEL_NAMES,
    NONE,
    TEXT_NAMES,
    find_column,
    says_truth,
    used_columns,
)
from interfuse.data.readers.easy_vqa import VALIDATION, read_easy_vqa
from interfuse.data.readers.hf_datasets import read_dataset
from interfuse.data.readers.image_folder import read_image_folder
from interfuse.data.readers.table import read_frame, read_table
from interfuse.data.readers.webdataset import read_shards
from interfuse.data.tables import need_column
from interfuse.settings import BUILT_IN, ENDINGS, SourceSettings, check_folder, check_image_folder

PART_COLUMN = "interfuse_split"
"""Holds the split of rows that come from separate files."""

COLLECTIONS: dict[str, Callable[[str, SourceSettings], Collection]] = {
    "coco": lambda rest, _: read_coco(check_folder(rest)),
    "folder": lambda rest, settings: read_image_folder(check_folder(rest), settings.allow_outside),
    "hf": lambda rest, settings: read_dataset(rest, Unpacked(settings.unpack_to)),
    "wds": lambda rest, settings: read_shards(rest, Unpacked(settings.unpack_to)),
}
"""Prefix of DATA to its reader."""


@dataclass(frozen=True)
class Opened:
    """One table, and how it is read."""

    frame: pl.DataFrame
    folders: list[Path]
    """Which folder each row's picture is under."""
    settings: SourceSettings
    """With the columns that the source brings or that were guessed."""
    label_names: tuple[str, ...] | None = None
    notes: list[str] = field(default_factory=list)
    broken: Mapping[int, str] = field(default_factory=dict)
    """Row of the frame to the reason why it could not be read; its cells are null."""
    complete: bool = False
    """Whether the source itself says which columns it has, so that none is guessed."""


def open_source(source: Any, settings: SourceSettings) -> Opened:
    """Read the table, folder, dataset or built-in; join separate files to it; choose the columns.

    Raises:
        DataError: it cannot be read, or lacks a column.
        ConfigError: it is to be split in two ways.
    """
    if isinstance(source, str) and source == BUILT_IN:
        settings = replace(
            settings, id="id", image="image", text="text", label="label", split="split", validation_share=VALIDATION
        )
        frame = read_easy_vqa()
        return Opened(frame, [Path.cwd()] * frame.height, settings, complete=True)
    folder = check_image_folder(settings.image_folder)
    collection = _collect(source, settings)
    if collection is not None:
        opened = _opened(collection, folder, settings)
    else:
        frame, broken = read_table(source, used_columns(settings))
        own = folder or (Path(source).parent if isinstance(source, str | Path) else Path.cwd())
        opened = _with_parts(Opened(frame, [own] * frame.height, settings, broken=broken), folder)
    if settings.join:
        opened = _join(opened, settings.join)
    return guess_columns(opened)


def is_table_file(source: Any) -> bool:
    """Whether DATA is one file of rows, so that it can be read piece by piece."""
    if not isinstance(source, str | Path) or str(source).partition(":")[0] in COLLECTIONS:
        return False
    return Path(source).suffix.lower() in ENDINGS and not Path(source).is_dir()


def _collect(source: Any, settings: SourceSettings) -> Collection | None:
    """Read a collection by its prefix, or a bare folder by what it holds; None where it is a table."""
    if not isinstance(source, str | Path):
        return None
    kind, colon, rest = str(source).partition(":")
    note = None
    if not (colon and kind in COLLECTIONS):
        if not Path(source).is_dir():
            return None
        kind, rest = _kind_of(Path(source)), str(source)
        note = f"{source} is read as {kind}:{rest} (say folder:, coco: or hf: otherwise)."
    if settings.validation or settings.test:
        raise ConfigError(f"validation=… and test=… name files beside a table; {kind}: brings its own splits.")
    collection = COLLECTIONS[kind](rest, settings)
    return replace(collection, notes=[note, *collection.notes]) if note else collection


def _kind_of(folder: Path) -> str:
    if (folder / "annotations").is_dir():
        return "coco"
    return "hf" if any((folder / name).is_file() for name in ("dataset_dict.json", "state.json")) else "folder"


def _opened(collection: Collection, folder: Path | None, settings: SourceSettings) -> Opened:
    """Take the collection's columns where the user named none."""
    columns = dict(collection.columns)
    if settings.split or settings.folds:
        columns.pop("split", None)
    label = columns.get("label")
    if settings.task == "matching" and label and not says_truth(collection.frame[label]):
        columns.pop("label")
    if settings.task == "multiclass" and label and collection.frame[label].dtype == pl.List(pl.String):
        columns.pop("label")
    defaults: dict[str, Any] = {what: name for what, name in columns.items() if getattr(settings, what) is None}
    names = ", ".join(f"{what} {name!r}" for what, name in defaults.items() if what in ("image", "text", "label"))
    notes = [*collection.notes, *([f"Columns: {names} (image=…, text=… and label=… say otherwise)."] if names else [])]
    settings = replace(settings, **defaults)
    classes = collection.label_names if settings.label == label and settings.task != "regression" else None
    folders = [folder or collection.folder] * collection.frame.height
    return Opened(collection.frame, folders, settings, classes, notes, collection.broken, complete=True)


def _with_parts(opened: Opened, folder: Path | None) -> Opened:
    """Append the files for validation and test."""
    settings, files = opened.settings, {"validation": opened.settings.validation, "test": opened.settings.test}
    if not any(files.values()):
        return opened
    if settings.split or settings.folds:
        raise ConfigError("Give split=…, folds=…, or files for validation and test: one way to split the rows.")
    frames, folders = [opened.frame.with_columns(pl.lit("train").alias(PART_COLUMN))], opened.folders
    broken = dict(opened.broken)
    for part, path in files.items():
        if path is not None:
            frame, bad = _read_part(Path(path), part, settings)
            broken |= {len(folders) + row: reason for row, reason in bad.items()}
            frames.append(frame)
            folders = folders + [folder or Path(path).parent] * frames[-1].height
    try:
        joined = pl.concat(frames, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"The files' columns do not fit together: {error}") from error
    settings = replace(settings, split=PART_COLUMN)
    return replace(opened, frame=joined, folders=folders, settings=settings, broken=broken)


def _read_part(path: Path, part: str, settings: SourceSettings) -> tuple[pl.DataFrame, dict[int, str]]:
    """Read the file of one split; it must have every column that is used, or its rows would look empty."""
    frame, broken = read_table(path, used_columns(settings))
    for what in ("image", "text", "label", "id", "group"):
        name = getattr(settings, what)
        if name is not None and name != NONE and not settings.join:
            need_column(frame, name, f"{what}=… in {path.name}")
    return frame.with_columns(pl.lit(part).alias(PART_COLUMN)), broken


def _join(opened: Opened, word: str) -> Opened:
    """Add the columns of another file to the rows with the same key; several rows of it give several rows."""
    name, colon, keys = word.rpartition(":")
    if not colon or not name or not keys:
        raise ConfigError(f"join=… is FILE:KEY, or FILE:KEY=ITS_KEY where the columns differ, got {word!r}.")
    left, _, right = keys.partition("=")
    own = need_column(opened.frame, left, "join=…")
    table = read_frame(name)
    other = need_column(table, right or left, f"join=… in {Path(name).name}")
    place = "interfuse_place"
    rest = table.drop(other.name)
    clashes = {column: f"{column} (joined)" for column in rest.columns if column in opened.frame.columns}
    joined = opened.frame.with_columns(
        own.cast(pl.String).alias("interfuse_key"), pl.Series(place, range(opened.frame.height), dtype=pl.Int64)
    ).join(
        rest.rename(clashes).with_columns(other.cast(pl.String).alias("interfuse_key")),
        on="interfuse_key",
        how="left",
        maintain_order="left_right",
    )
    known = set(other.cast(pl.String).to_list())
    without = sum(key not in known for key in own.cast(pl.String).to_list())
    if without == opened.frame.height:
        raise DataError(f"join=…: no row has a {left!r} that {Path(name).name} knows as {other.name!r}.")
    rows = joined[place].to_list()
    folders = [opened.folders[row] for row in rows]
    broken = {row: opened.broken[old] for row, old in enumerate(rows) if old in opened.broken}
    note = f"Joined {Path(name).name} by {keys}: {joined.height:,} rows, {without:,} without a row in it."
    frame = joined.drop("interfuse_key", place)
    return replace(opened, frame=frame, folders=folders, broken=broken, notes=[*opened.notes, note])


def guess_columns(opened: Opened) -> Opened:
    """Guess what the user left open, by the usual names, and say so; the word none means: no such column."""
    settings, frame = opened.settings, opened.frame
    guesses: dict[str, str | None] = {}
    if opened.complete:  # a collection says itself what it has; only joined columns are news
        guesses["text"] = find_column(frame, TEXT_NAMES) if settings.join and settings.text is None else None
    else:
        if not ({settings.image, settings.text} - {None, NONE}):  # a modality that is denied does not name the other
            usual = {"image": IMAGE_NAMES, "text": TEXT_NAMES}
            guesses = {w: find_column(frame, names) for w, names in usual.items() if getattr(settings, w) is None}
        if settings.label is None:
            label = find_column(frame, LABEL_NAMES)
            fits = label is not None and (settings.task != "matching" or says_truth(frame[label]))
            used = {settings.image, settings.text, settings.split, settings.group, settings.id, *guesses.values()}
            guesses["label"] = label if fits and label not in used else None
    columns: dict[str, Any] = {what: name for what, name in guesses.items() if name}
    notes = list(opened.notes)
    if columns:
        names = ", ".join(f"{what} {name!r}" for what, name in columns.items())
        notes.append(f"Columns guessed by their names: {names} (image=…, text=… and label=… say otherwise).")
    denied = [name for name in ("image", "text", "label") if getattr(settings, name) == NONE]
    columns |= {what: None for what in denied if NONE not in frame.columns}
    return replace(opened, settings=replace(settings, **columns), notes=notes)
