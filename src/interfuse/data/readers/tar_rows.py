"""The rows of one shard: which members of a tar file belong together, and which cannot be trusted to."""

import json
import lzma
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from interfuse.core.outside import OddFileError, open_regular_file
from interfuse.data.pictures import MAX_FILE_BYTES, Unpacked
from interfuse.data.readers.collection import PICTURE_ENDINGS
from interfuse.data.readers.spelling import readable, spell

MAX_TEXT_BYTES = 1 << 26
"""Largest member of text that is read."""
Row = dict[str, Any]


class Member(NamedTuple):
    """What one member of the tar brings to its row."""

    run: int
    """Counts how often the name has changed: members that stand together have one number."""
    ending: str
    row: Row
    """Columns that the member holds."""
    reason: str | None
    """Why it cannot be read."""


class Shard:
    """Reads one tar file; then `rows` holds its rows and `broken` the reasons of those that are to be left out."""

    def __init__(self, path: Path, name: str, unpacked: Unpacked, ignored: Counter[str]) -> None:
        """Begin with nothing read.

        Args:
            path: the tar file.
            name: goes before the rows' own names in their ids.
            unpacked: where the pictures go.
            ignored: counts the members of other kinds by their ending.
        """
        self.path, self.name, self.unpacked, self.ignored = path, name, unpacked, ignored
        self.rows: list[Row] = []
        self.broken: dict[int, str] = {}
        self._at = ""
        """Name of the row whose member is being read."""

    def read(self) -> None:
        """Read the file to its end, or to where it breaks off; then the row that was at hand is broken."""
        members: dict[str, list[Member]] = {}
        end = None
        try:
            with open_regular_file(self.path) as file, tarfile.open(fileobj=file) as tar:
                for key, member in self._members(tar):
                    members.setdefault(key, []).append(member)
        except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, OddFileError) as error:
            end = f"{readable(str(self.path))} cannot be read as a tar file to its end: {error}"
        cut = {self._at: members.pop(self._at, [])} if end is not None else {}
        for key, members_of_row in members.items():
            self._add_rows(key, members_of_row)
        for key in cut:
            self._add(key, {}, end)

    def _members(self, tar: tarfile.TarFile) -> Iterator[tuple[str, Member]]:
        run, before = 0, None
        for member in tar:
            folder, _, name = readable(member.name).rpartition("/")
            stem, _, ending = name.partition(".")
            stream = tar.extractfile(member) if member.isfile() and stem else None
            if stream is None:
                continue
            self._at = key = f"{folder}/{stem}".lstrip("./")
            ending = ending.lower()
            run, before = run + (key != before), key
            content = _read_member(ending, member.size, stream.read, self.unpacked)
            if content is None:
                self.ignored[f".{ending}"] += 1
            else:
                row, reason = content
                yield key, Member(run, ending, row, reason and f"{name}: {reason}")

    def _add_rows(self, key: str, members: list[Member]) -> None:
        """Make one row of the members of a name, or several where it comes again with the same members."""
        runs: dict[int, list[Member]] = {}
        for member in members:
            runs.setdefault(member.run, []).append(member)
        endings = [[member.ending for member in run] for run in runs.values()]
        if not _repeats([ending for run in endings for ending in run]):
            self._add(key, *_join(members))
        elif len(runs) > 1 and not any(map(_repeats, endings)) and len({frozenset(run) for run in endings}) == 1:
            for number, run in enumerate(runs.values()):
                self._add(key if not number else f"{key} ({number + 1})", *_join(run))
        else:
            twice = next(ending for ending, count in Counter(m.ending for m in members).items() if count > 1)
            self._add(key, {}, f"the shard has {key}.{twice} more than once, so what belongs together cannot be told")

    def _add(self, key: str, row: Row, reason: str | None) -> None:
        if reason is not None:
            row, self.broken[len(self.rows)] = {}, reason
        self.rows.append({**row, "__key__": f"{self.name}/{key}", "__shard__": readable(str(self.path))})


def _repeats(endings: list[str]) -> bool:
    return len(set(endings)) < len(endings)


def _join(members: list[Member]) -> tuple[Row, str | None]:
    """Put the members' columns together; the first picture counts."""
    row: Row = {}
    for member in members:
        row = {**member.row, **row} if "image" in member.row else {**row, **member.row}
    return row, next((member.reason for member in members if member.reason is not None), None)


def _read_member(
    ending: str, size: int, read: Callable[[], bytes], unpacked: Unpacked
) -> tuple[Row, str | None] | None:
    """Return the columns that a member brings, and why it cannot be read; None where it is of another kind.

    A member's size is what it says: a sparse one says any, and takes no place in the file.
    """
    last = "." + ending.rpartition(".")[2]
    if last not in (*PICTURE_ENDINGS, ".txt", ".cls", ".json"):
        return None
    limit = MAX_FILE_BYTES if last in PICTURE_ENDINGS else MAX_TEXT_BYTES
    if size > limit:
        return {}, f"it has {size:,} bytes, more than the limit of {limit:,}"
    if last in PICTURE_ENDINGS:
        return {"image": unpacked.keep(read())}, None
    try:
        text = read().decode()
        content = json.loads(text) if last == ".json" else None
    except UnicodeDecodeError as error:
        return {}, f"byte 0x{error.object[error.start]:02x} at {error.start} is not UTF-8"
    except (ValueError, RecursionError) as error:
        return {}, f"it is not JSON ({error})"
    if last != ".json":
        return {ending: text.strip() or None}, None
    if not isinstance(content, dict):
        return {}, f"expected a JSON object, got {type(content).__name__}"
    return {str(spell(k)): v for k, v in content.items() if not k.startswith("__") and k != "image"}, None
