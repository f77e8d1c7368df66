"""Which pictures of the rows are near-copies of each other, and the rows' groups by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from interfuse.core.progress import Progress
from interfuse.data.pictures import as_series, find_near, read_thumbnails
from interfuse.data.rows import Rows
from interfuse.data.tables import number_series

STAGE = "compare pictures"
NOTE = "Near-copies: "
"""How the sentence begins that says what counts as one picture."""
MANY = 20
"""Pictures that are near-copies of each other beyond which it is asked whether they are."""


@dataclass(frozen=True)
class PictureGroups:
    """The pictures of the rows, told apart by content."""

    of_row: np.ndarray
    """Number of each row's picture, near-copies alike; -1 where it has none."""
    near_copies: Mapping[str, str] = field(default_factory=dict)
    """Key of each picture that has near-copies, to the key of the first of them."""
    notes: tuple[str, ...] = ()
    """What must be said aloud."""


def group_pictures(rows: Rows, progress: Progress) -> PictureGroups:
    """Number the pictures of the rows; with `copies="near"` pictures that differ only in encoding or size are one.

    Args:
        rows: those that are left.
        progress: told how far it is.
    """
    of_row = rows.pictures.key_numbers()[rows.places]
    used = np.unique(of_row[of_row >= 0])
    if rows.settings.copies == "exact" or len(used) < 2:
        return PictureGroups(of_row)
    numbers, distinct = number_series(as_series(rows.pictures.keys))
    firsts = np.full(len(distinct), len(numbers), np.int64)
    np.minimum.at(firsts, numbers[numbers >= 0], np.flatnonzero(numbers >= 0))
    keys = distinct.gather(used).to_list()
    progress.start(STAGE, len(keys), "pictures")
    paths = rows.pictures.paths.take(firsts[used]).to_pylist()
    thumbnails, there = read_thumbnails(keys, paths, lambda count: progress.advance(STAGE, count))
    sound, first = np.flatnonzero(there), np.arange(len(keys))
    first[sound] = sound[find_near(thumbnails if there.all() else thumbnails[sound])]
    progress.finish(STAGE)
    sizes = np.bincount(first)
    copies = np.flatnonzero(sizes[first] > 1)
    if not len(copies):
        return PictureGroups(of_row)
    merged = np.append(np.arange(len(distinct), dtype=of_row.dtype), -1)  # -1 takes the last
    merged[used] = used[first]
    near = {keys[place]: keys[first[place]] for place in copies.tolist()}
    pair = used[np.flatnonzero(first == first[copies[0]])[:2]]
    example = rows.ids(np.array([np.flatnonzero(of_row == number)[0] for number in pair])).to_list()
    return PictureGroups(merged[of_row], near, _describe(len(copies), sizes[sizes > 1], example))


def _describe(pictures: int, sizes: np.ndarray, example: list[str]) -> tuple[str, ...]:
    """Say how many pictures have near-copies.

    Args:
        pictures: that have near-copies.
        sizes: of the groups that they make.
        example: rows that show two of one group.
    """
    originals = "1 that was" if len(sizes) == 1 else f"{len(sizes):,} that were"
    note = (
        f"{NOTE}{pictures:,} pictures are {originals} encoded or resized again, such as those of rows "
        f"{example[0]} and {example[1]}; they count as {len(sizes):,}. copies=exact tells all files apart."
    )
    if sizes.max() <= MANY:
        return (note,)
    doubt = (
        f"warning: {sizes.max():,} different files count as one picture. If they show one scene and not one picture, "
        "give copies=exact."
    )
    return note, doubt
