"""WebDataset shards: tar files whose members of one name are a row. Nothing is executed and nothing is unpickled."""

import glob
import json
import re
import tarfile
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.collection import PICTURE_ENDINGS, Collection
from interfuse.data.guesses import LABEL_NAMES, TEXT_NAMES, find_column
from interfuse.data.splits import NAMES
from interfuse.data.unpack import Unpacked

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def read_shards(pattern: str, unpacked: Unpacked) -> Collection:
    """Read shards: a row is the members that share a name up to the first dot of their file name.

    .jpg, .png, .webp and the like are the picture (the first of them), .txt the text, .cls the class, .json more
    columns; other members are left alone. Pictures are unpacked once under the hash of their bytes, so that a member's
    name leads nowhere. Where the name of every shard has a word for its split (train-000.tar, val-000.tar), that is
    the split.

    Args:
        pattern: a file, with `*`, `?` and `{000..009}` for several.
        unpacked: where the pictures go.

    Raises:
        DataError: no shard is there, a shard is damaged, or none has a row.

    Reference:
        https://github.com/webdataset/webdataset#the-webdataset-format
    """
    paths = expand(pattern)
    rows: list[dict[str, Any]] = []
    ignored: Counter[str] = Counter()
    for path in paths:
        try:
            with tarfile.open(path) as tar:
                rows += _read_shard(path, tar, unpacked, ignored)
        except (tarfile.TarError, EOFError, OSError) as error:
            raise DataError(f"{path} cannot be read as a tar file: {error}.") from error
    if not rows:
        raise DataError(f"{pattern}: the shards have no picture, text, class or JSON member.")
    names = dict.fromkeys(name for row in rows for name in row)
    frame = pl.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})
    columns = {"id": "__key__", **({"image": "image"} if "image" in names else {})}
    rest = frame.drop([name for name in ("__key__", "__shard__", "image") if name in names])
    found = {"text": find_column(rest, ("txt", *TEXT_NAMES)), "label": find_column(rest, ("cls", *LABEL_NAMES))}
    columns |= {what: name for what, name in found.items() if name}
    parts = [_split_of(path) for path in paths]
    if all(parts):
        split = dict(zip(map(str, paths), parts, strict=True))
        frame = frame.with_columns(pl.Series("__split__", [split[row["__shard__"]] for row in rows]))
        columns["split"] = "__split__"
    notes = [f"Shards: {len(paths)}, {len(rows):,} rows; pictures are unpacked to {unpacked.folder}."]
    if ignored:
        told = ", ".join(f"{count:,} {ending}" for ending, count in ignored.most_common(5))
        notes.append(f"Members of other kinds are left alone: {told}.")
    return Collection(frame, unpacked.folder, columns, None, notes)


def expand(pattern: str) -> list[Path]:
    """List the files that a pattern with braces and stars names.

    Raises:
        DataError: there is none.
    """
    choices = []
    for text in _BRACES.findall(pattern):
        span = _RANGE.fullmatch(text)
        if span is None:
            choices.append(text.split(","))
        else:
            numbers = range(int(span[1]), int(span[2]) + 1)
            choices.append([str(number).zfill(len(span[1])) for number in numbers])
    plain = _BRACES.sub("\0", pattern).split("\0")
    paths: list[str] = []
    for chosen in product(*choices):
        name = plain[0] + "".join(word + after for word, after in zip(chosen, plain[1:], strict=True))
        paths += [name] if Path(name).is_file() else sorted(glob.glob(name))
    if not paths:
        raise DataError(f"There is no shard {pattern}. Write wds:FOLDER/train-{{000..009}}.tar or wds:'FOLDER/*.tar'.")
    return [Path(path) for path in dict.fromkeys(paths)]


def _read_shard(path: Path, tar: tarfile.TarFile, unpacked: Unpacked, ignored: Counter[str]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for member in tar:
        folder, _, name = member.name.rpartition("/")
        stem, _, ending = name.partition(".")
        stream = tar.extractfile(member) if member.isfile() and stem else None
        if stream is None:
            continue
        key, ending = f"{folder}/{stem}".lstrip("./"), ending.lower()
        found = _read_member(f"{path}: {member.name}", ending, stream.read, unpacked)
        if found is None:
            ignored[f".{ending}"] += 1
            continue
        row = rows.setdefault(key, {"__key__": f"{path.stem}/{key}", "__shard__": str(path)})
        rows[key] = {**found, **row} if "image" in found else {**row, **found}  # the first picture counts
    return list(rows.values())


def _read_member(name: str, ending: str, read: Callable[[], bytes], unpacked: Unpacked) -> dict[str, Any] | None:
    """Give the columns that a member brings; None where it is of another kind."""
    last = "." + ending.rpartition(".")[2]
    if last in PICTURE_ENDINGS:
        return {"image": unpacked.keep(read())}
    if last not in (".txt", ".cls", ".json"):
        return None
    try:
        text = read().decode()
        content = json.loads(text) if last == ".json" else None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} cannot be read: {error}.") from error
    if last != ".json":
        return {ending: text.strip() or None}
    if not isinstance(content, dict):
        raise DataError(f"{name}: expected a JSON object, got {type(content).__name__}.")
    return {k: v for k, v in content.items() if not k.startswith("__") and k != "image"}


def _column(cells: list[Any]) -> pl.Series:
    """Make a column: lists stay lists of texts, numbers stay numbers, all else is text."""
    if any(isinstance(cell, list) for cell in cells):
        lists = [cell if isinstance(cell, list) or cell is None else [cell] for cell in cells]
        return pl.Series([None if c is None else [_spell(item) for item in c] for c in lists], dtype=pl.List(pl.String))
    numbers = [cell for cell in cells if cell is not None]
    if numbers and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in numbers):
        whole = all(isinstance(cell, int) and abs(cell) < 2**53 for cell in numbers)
        return pl.Series(cells, dtype=pl.Int64 if whole else pl.Float64, strict=False)
    return pl.Series([None if cell is None else _spell(cell) for cell in cells], dtype=pl.String)


def _spell(cell: Any) -> str:
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)


def _split_of(path: Path) -> str | None:
    """Find the word for a split in a shard's name."""
    words = re.split(r"[^a-z]+", path.name.lower())
    return next((NAMES[word] for word in words if word in NAMES), None)
