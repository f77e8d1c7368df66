"""The pictures that rows name: each distinct name is resolved once, and each distinct file identified once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from interfuse.data.pictures.files import identify_all, leads_outside, resolve
from interfuse.data.pictures.remote import RemoteCache
from interfuse.data.tables import number_series, ranges, take

_NAMES = 1 << 12
"""Names that are resolved, and files that are identified, at once."""


@dataclass(frozen=True)
class NamedPictures:
    """The distinct pictures, and which of them each row shows."""

    of_row: np.ndarray
    """Number of each row's picture, -1 where it names none."""
    paths: pa.Array
    """Where each picture is found, remote ones too; of a bad one where it was looked for."""
    keys: pa.Array
    """Hash of each picture's bytes; null where it cannot be used."""
    reasons: Mapping[int, str]
    """Number of each picture that cannot be used, to the reason."""
    outside: int = 0
    """How many names lead outside their folder."""

    @classmethod
    def none(cls, rows: int) -> "NamedPictures":
        """Return the pictures of rows of which none has one."""
        return cls(np.full(rows, -1, np.int32), pa.array([], pa.string()), pa.array([], pa.string()), {})

    def has_key(self) -> np.ndarray:
        """Whether each row's picture can be used."""
        usable: np.ndarray = np.append(self.keys.is_valid().to_numpy(zero_copy_only=False), False)[self.of_row]
        return usable  # -1 takes the last

    def key_numbers(self) -> np.ndarray:
        """Return the number of each row's picture, by its content; -1 where there is none."""
        numbers, _ = number_series(as_series(self.keys))
        of_row: np.ndarray = np.append(numbers, np.int32(-1))[self.of_row]
        return of_row


def identify_names(
    names: pl.Series, folders: Sequence[Path], bounded: bool, allow_outside: bool, cache: RemoteCache | None
) -> NamedPictures:
    """Resolve and identify what the rows name.

    Args:
        names: of each row's picture; null where it has none.
        folders: what each row's name is relative to.
        bounded: whether the folder was declared, as for `resolve`.
        allow_outside: read what lies outside the folder all the same.
        cache: fetches the remote pictures and keeps them; none: nothing is fetched.
    """
    folder_numbers: dict[Path, int] = {}
    of_folder = np.fromiter((folder_numbers.setdefault(f, len(folder_numbers)) for f in folders), np.int32, len(names))
    of_row = np.full(len(names), -1, np.int32)
    paths, reasons, outside, count = [pl.Series([], dtype=pl.String)], dict[int, str](), 0, 0
    for folder, number in folder_numbers.items():
        rows = np.flatnonzero(of_folder == number)
        numbers, distinct = number_series(take(names, rows))
        of_row[rows] = np.where(numbers < 0, -1, numbers + count)
        for part in _cut(distinct):
            resolutions = [resolve(folder, name, bounded, allow_outside, cache is not None) for name in part.to_list()]
            outside += sum(leads_outside(folder, path) for path, reason in resolutions if reason is None)
            reasons |= {place: reason for place, (_, reason) in enumerate(resolutions, count) if reason is not None}
            paths.append(pl.Series([path for path, _ in resolutions], dtype=pl.String))
            count += len(resolutions)
    return _identify(of_row, pl.concat(paths), reasons, outside, cache)


def _identify(
    of_row: np.ndarray, paths: pl.Series, reasons: dict[int, str], outside: int, cache: RemoteCache | None
) -> NamedPictures:
    """Identify the files of the names that could be resolved; two names may lead to one file."""
    usable = np.ones(len(paths), bool)
    usable[list(reasons)] = False
    places = np.flatnonzero(usable)
    numbers, distinct = number_series(paths.gather(places))
    order = distinct.arg_sort().to_numpy()
    files, keys, bad, first = [pl.Series([], dtype=pl.String)], [pl.Series([], dtype=pl.String)], dict[int, str](), 0
    for part in _cut(distinct.gather(order)):
        names = part.to_list()
        by_name = identify_all(names, cache)
        identities = [by_name[name] for name in names]
        bad |= {first + n: each.reason for n, each in enumerate(identities) if each.reason is not None}
        own_files = [each.file if each.reason is None else None for each in identities]
        files.append(pl.Series([file or name for file, name in zip(own_files, names, strict=True)], dtype=pl.String))
        keys.append(pl.Series([each.key for each in identities], dtype=pl.String))
        first += len(names)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    file_of = np.full(len(paths), -1, np.int64)
    file_of[places] = rank[numbers]
    reasons |= {int(place): bad[int(file_of[place])] for place in np.flatnonzero(np.isin(file_of, list(bad)))}
    chosen = pa.array(file_of, mask=file_of < 0)
    locations = pc.coalesce(_array(files).take(chosen), _array([paths]))
    return NamedPictures(of_row, locations, _array(keys).take(chosen), reasons, outside)


def _cut(names: pl.Series) -> Iterator[pl.Series]:
    return (names[piece] for piece in ranges(len(names), _NAMES))


def _array(parts: list[pl.Series]) -> pa.Array:
    return pl.concat(parts).to_arrow().cast(pa.large_string())


def as_series(array: pa.Array) -> pl.Series:
    """Return an Arrow array as a column."""
    return pl.Series(pl.from_arrow(array))
