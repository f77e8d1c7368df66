"""WebDataset shards: tar files whose members of one name are a row. Nothing is executed and nothing is unpickled."""

import glob
import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl

from interfuse.core.errors import DataError
from interfuse.data.pictures import Unpacked
from interfuse.data.readers.collection import Collection
from interfuse.data.readers.column_guesses import LABEL_NAMES, TEXT_NAMES, find_column
from interfuse.data.readers.spelling import readable, spell
from interfuse.data.readers.tar_rows import Row, Shard
from interfuse.data.splits import NAMES

MOST_SHARDS = 100_000
"""Most names that the braces of a pattern may stand for."""
_DIGITS = 18
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def read_shards(pattern: str, unpacked: Unpacked) -> Collection:
    """Read shards: a row is the members that share a name up to the first dot of their file name.

    .jpg, .png, .webp and the like are the picture (the first of them), .txt the text, .cls the class, .json more
    columns; other members are left alone. Pictures are unpacked once under the hash of their bytes, so that a member's
    name leads nowhere. Where the name of every shard has a word for its split (train-000.tar, val-000.tar), that is
    the split. A name that comes again with the same members gives another row; one whose members cannot be told apart,
    a member that cannot be read and the end of a shard that was cut are broken rows, each with its reason.

    Args:
        pattern: a file, with `*`, `?` and `{000..009}` for several.
        unpacked: where the pictures go.

    Raises:
        DataError: no shard is there, or none has a row.

    Reference:
        https://github.com/webdataset/webdataset#the-webdataset-format
    """
    paths = expand(pattern)
    rows: list[Row] = []
    broken: dict[int, str] = {}
    ignored: Counter[str] = Counter()
    same_stems = len({path.stem for path in paths}) < len(paths)
    for path in paths:
        shard = Shard(path, readable(str(path.with_suffix("")) if same_stems else path.stem), unpacked, ignored)
        shard.read()
        broken |= {len(rows) + place: reason for place, reason in shard.broken.items()}
        rows += shard.rows
    if len(broken) == len(rows):
        why = next(iter(broken.values()), "the shards have no picture, text, class or JSON member")
        raise DataError(f"{pattern}: {why}.")
    names = dict.fromkeys(name for row in rows for name in row)
    frame = pl.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})
    columns = {"id": "__key__", **({"image": "image"} if "image" in names else {})}
    rest = frame.drop([name for name in ("__key__", "__shard__", "image") if name in names])
    guesses = {"text": find_column(rest, ("txt", *TEXT_NAMES)), "label": find_column(rest, ("cls", *LABEL_NAMES))}
    columns |= {what: name for what, name in guesses.items() if name}
    parts = [_split_of(path) for path in paths]
    if all(parts):
        split = {readable(str(path)): part for path, part in zip(paths, parts, strict=True)}
        frame = frame.with_columns(pl.Series("__split__", [split[row["__shard__"]] for row in rows]))
        columns["split"] = "__split__"
    notes = [f"Shards: {len(paths)}, {len(rows) - len(broken):,} rows; pictures are unpacked to {unpacked.folder}."]
    if ignored:
        counts = ", ".join(f"{count:,} {ending}" for ending, count in ignored.most_common(5))
        notes.append(f"Members of other kinds are left alone: {counts}.")
    return Collection(frame, unpacked.folder, columns, None, notes, broken)


def expand(pattern: str) -> list[Path]:
    """Return the files that a pattern with braces and stars names.

    Raises:
        DataError: there is none, or the braces stand for more than `MOST_SHARDS`.
    """
    choices: list[Sequence[str]] = [_choices(pattern, text) for text in _BRACES.findall(pattern)]
    _refuse_many(pattern, math.prod(map(len, choices)))
    plain = _BRACES.sub("\0", pattern).split("\0")
    paths: list[str] = []
    for words in product(*choices):
        name = plain[0] + "".join(word + after for word, after in zip(words, plain[1:], strict=True))
        paths += [name] if Path(name).is_file() else sorted(glob.glob(name))
    if not paths:
        raise DataError(f"There is no shard {pattern}. Write wds:FOLDER/train-{{000..009}}.tar or wds:'FOLDER/*.tar'.")
    return [Path(path) for path in dict.fromkeys(paths)]


def _choices(pattern: str, text: str) -> list[str]:
    """Return what a pair of braces stands for: words between commas, or numbers from one to another."""
    span = _RANGE.fullmatch(text)
    if span is None:
        return text.split(",")
    if max(map(len, span.groups())) > _DIGITS:
        raise DataError(f"{{{text[:40]}}} in wds:… counts with more than {_DIGITS} digits. Give smaller numbers.")
    first, last = int(span[1]), int(span[2])
    _refuse_many(pattern, last - first + 1)
    return [str(number).zfill(len(span[1])) for number in range(first, last + 1)]


def _refuse_many(pattern: str, count: int) -> None:
    if count > MOST_SHARDS:
        raise DataError(
            f"The braces of wds:{pattern[:80]} name {count:,} shards, more than the limit of {MOST_SHARDS:,}. Use * "
            "for what is there."
        )


def _column(cells: list[Any]) -> pl.Series:
    """Make a column: lists stay lists of texts, numbers stay numbers, all else is text."""
    if any(isinstance(cell, list) for cell in cells):
        lists = [cell if isinstance(cell, list) or cell is None else [cell] for cell in cells]
        return pl.Series([None if c is None else [spell(item) for item in c] for c in lists], dtype=pl.List(pl.String))
    numbers = [cell for cell in cells if cell is not None]
    if numbers and all(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in numbers):
        whole = all(isinstance(cell, int) and abs(cell) < 2**53 for cell in numbers)
        return pl.Series(cells, dtype=pl.Int64 if whole else pl.Float64, strict=False)
    return pl.Series([spell(cell) for cell in cells], dtype=pl.String)


def _split_of(path: Path) -> str | None:
    """Return the split that a word names in a shard's name."""
    words = re.split(r"[^a-z]+", path.name.lower())
    return next((NAMES[word] for word in words if word in NAMES), None)
