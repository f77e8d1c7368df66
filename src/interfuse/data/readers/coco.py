"""COCO's own layout: annotations/instances_*.json and captions_*.json, and a folder of pictures a split."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError
from interfuse.core.outside import open_regular_file
from interfuse.data.readers.collection import Collection
from interfuse.data.readers.spelling import spell
from interfuse.data.splits import NAMES

LARGEST = 1 << 32
"""Bytes of the largest annotation file that is read; COCO's own has half a billion."""
_FILE = re.compile(r"(instances|captions)_([A-Za-z]+)(\d*)\.json")


def read_coco(folder: Path) -> Collection:
    """Read a COCO folder: a row a caption where there are captions, else a row a picture.

    Its train is train, its val is test (the labels of COCO's own test are not published); validation is carved from
    train. The label is the list of the categories that the picture has an instance of, crowds included; where there are
    instances for a split but none in a picture the list is empty. The whole annotation file is held in memory.

    Raises:
        DataError: the folder has no such annotations, or a file is malformed.

    Reference:
        https://cocodataset.org/#format-data
    """
    parts = _parts(folder)
    names: dict[int, str] = {}
    rows: list[dict[str, Any]] = []
    for part, files in parts.items():
        rows += _read_part(folder, part, files, names)
    labelled = any("instances" in files for files in parts.values())
    captioned = any("captions" in files for files in parts.values())
    frame = pl.DataFrame(
        rows, schema={"id": pl.String, "image": pl.String, "caption": pl.String, "labels": pl.List(pl.String), **_SPLIT}
    )
    columns = {"id": "id", "image": "image", **({"text": "caption"} if captioned else {})}
    columns |= {"label": "labels"} if labelled else {}
    notes = []
    kinds = sorted(set(frame["split"]))
    if "train" in kinds and len(kinds) > 1:
        columns["split"] = "split"
        splits = ", ".join(f"{part} is {_split_of(part)}" for part in parts)
        notes.append(f"COCO: {splits}; validation is carved from train by group (split=… or folds=… say otherwise).")
    pictures = len(set(frame["image"]))
    notes.append(
        f"COCO: {pictures:,} pictures, {frame['caption'].count():,} captions, {len(names)} categories "
        f"({', '.join(parts)})."
    )
    classes = tuple(names[number] for number in sorted(names)) if labelled else None
    return Collection(frame, folder, columns, classes, notes)


_SPLIT = {"split": pl.String}


def _parts(folder: Path) -> dict[str, dict[str, Path]]:
    """Return the annotation files of each part, such as train2017."""
    annotations = folder / "annotations"
    if not annotations.is_dir():
        raise DataError(f"{folder} has no folder annotations: COCO's layout is annotations/instances_train2017.json, …")
    parts: dict[str, dict[str, Path]] = {}
    for path in sorted(annotations.iterdir()):
        match = _FILE.fullmatch(path.name)
        if match and match[2].lower() in NAMES:
            parts.setdefault(match[2] + match[3], {})[match[1]] = path
    if not parts:
        raise DataError(f"{annotations} has no instances_*.json and no captions_*.json.")
    return parts


def _split_of(part: str) -> str:
    name = NAMES[part.rstrip("0123456789").lower()]
    return "test" if name == "validation" else name


def _read_part(folder: Path, part: str, files: dict[str, Path], names: dict[int, str]) -> list[dict[str, Any]]:
    pictures: dict[int, str] = {}
    labels: dict[int, set[int]] = {}
    captions: dict[int, list[tuple[int, str]]] = {}
    for kind, path in files.items():
        content = _load(path)
        try:
            pictures |= {image["id"]: str(spell(image["file_name"])) for image in content["images"]}
            if kind == "instances":
                names |= {category["id"]: str(spell(category["name"])) for category in content["categories"]}
                for annotation in content["annotations"]:
                    labels.setdefault(annotation["image_id"], set()).add(annotation["category_id"])
            else:
                for annotation in content["annotations"]:
                    entry = (annotation["id"], str(spell(annotation["caption"].strip())))
                    captions.setdefault(annotation["image_id"], []).append(entry)
            strange = ({*labels, *captions} - set(pictures)) or (set().union(*labels.values()) - set(names))
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path} is not in COCO's format: {type(error).__name__} {error}.") from error
        if strange:
            raise DataError(f"{path}: an annotation is about {min(strange)}, which the file does not list.")
    place = next((name for name in (part, f"images/{part}", "images") if (folder / name).is_dir()), part)
    rows: list[dict[str, Any]] = []
    for image in sorted(pictures):
        common = {
            "image": f"{place}/{pictures[image]}",
            "labels": [names[number] for number in sorted(labels.get(image, ()))] if "instances" in files else None,
            "split": _split_of(part),
        }
        if image not in captions:
            rows.append({"id": f"{part}-{image}", "caption": None, **common})
        for number, caption in sorted(captions.get(image, [])):
            rows.append({"id": f"{part}-{image}-{number}", "caption": caption or None, **common})
    return rows


def _load(path: Path) -> dict[str, Any]:
    try:
        with open_regular_file(path, LARGEST) as file:
            content = json.loads(file.read())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is not in COCO's format: expected an object with images and annotations.")
    return content
