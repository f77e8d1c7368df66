"""Pairs for matching: every row once with its own caption, once with a caption of another picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interfuse.core.seeds import derive

NEIGHBOURS = 64
"""Most similar captions that a hard negative is looked for among."""
_CELLS = 1 << 24
"""Similarities that are held at once."""


@dataclass(frozen=True)
class Captions:
    """Rows of picture and caption, both there."""

    groups: np.ndarray
    """Rows of one group show one picture, or what was declared to belong together."""
    texts: Sequence[str]
    pools: np.ndarray
    """Captions are exchanged within a pool only: a split, or a fold."""


def draw_negatives(captions: Captions, seed: int, hard: bool = False) -> np.ndarray:
    """Give each row another row, whose caption does not belong to its picture.

    Each caption is given away once (drawing without replacement), so that within a pool neither the pictures nor the
    captions alone tell the fitting pairs from the others. A caption is never given to a row of its own group, nor to a
    picture that has the same text for a caption of its own. With `hard` each row, in a drawn order, takes the caption
    most similar to its own (cosine of TF-IDF vectors, among the 64 nearest that are still free); the rows that find
    none take what is left. A similar caption may in truth fit the picture too.

    Args:
        captions: the rows.
        seed: of the draw.
        hard: take similar captions.

    Returns:
        For each row the row whose caption it gets, or -1 where there is none.
    """
    draw = np.random.default_rng(derive(seed, "negatives"))
    given = np.full(len(captions.texts), -1, dtype=np.int64)
    owned: dict[int, set[str]] = {}
    for group, text in zip(captions.groups.tolist(), captions.texts, strict=True):
        owned.setdefault(group, set()).add(text)
    for pool in sorted(set(captions.pools.tolist())):
        inside = np.flatnonzero(captions.pools == pool)
        given[inside] = _Pool(captions, inside, owned).fill(draw, hard)
    return given


class _Pool:
    """The rows of one pool, and which may take whose caption."""

    def __init__(self, captions: Captions, rows: np.ndarray, owned: dict[int, set[str]]) -> None:
        self.rows, self.owned = rows, owned
        self.groups = captions.groups[rows].tolist()
        self.texts = [captions.texts[row] for row in rows]

    def fits(self, row: int, caption: int) -> bool:
        """Whether the caption may go to the row: it belongs to no picture of the row's group, nor does its text."""
        group = self.groups[row]
        return self.groups[caption] != group and self.texts[caption] not in self.owned[group]

    def fill(self, draw: np.random.Generator, hard: bool) -> np.ndarray:
        """Give every row a caption; -1 where that is impossible."""
        count = len(self.rows)
        given = np.full(count, -1, dtype=np.int64)
        if hard:
            self.take_nearest(given, draw)
        free = np.setdiff1d(np.arange(count), given[given >= 0])
        given[given < 0] = draw.permutation(free)
        for row in range(count):
            if not self.fits(row, int(given[row])):
                self.swap(given, row, draw)
        wrong = [row for row in range(count) if not self.fits(row, int(given[row]))]
        found = self.rows[given]
        found[wrong] = -1
        return found

    def swap(self, given: np.ndarray, row: int, draw: np.random.Generator) -> None:
        """Exchange the row's caption with that of another row, so that both fit; leave it where none does.

        Where no group has more than half of the rows, and no text is shared, there always is such a row: of the n, at
        most m belong to the row's group and m hold a caption of it, the row itself in both, 2m − 1 < n.
        """
        for other in draw.permutation(len(given)).tolist():
            if self.fits(row, int(given[other])) and self.fits(other, int(given[row])):
                given[row], given[other] = given[other], given[row]
                return

    def take_nearest(self, given: np.ndarray, draw: np.random.Generator) -> None:
        """Let each row, in a drawn order, take the most similar caption that is free."""
        nearest, taken = _nearest(self.texts), np.zeros(len(given), dtype=bool)
        for row in draw.permutation(len(given)).tolist():
            for caption in nearest[row].tolist():
                if not taken[caption] and self.fits(row, caption):
                    given[row], taken[caption] = caption, True
                    break


def _nearest(texts: Sequence[str]) -> np.ndarray:
    """List for each text the others by falling cosine of their TF-IDF vectors, at most 64; time is quadratic."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        vectors = TfidfVectorizer(sublinear_tf=True, dtype=np.float32).fit_transform(texts)
    except ValueError:  # no text has a word
        return np.zeros((len(texts), 0), dtype=np.int64)
    width, found, chunk = min(NEIGHBOURS, len(texts) - 1), [], max(1, _CELLS // len(texts))
    for start in range(0, len(texts), chunk):
        similar = (vectors[start : start + chunk] @ vectors.T).toarray()
        similar[np.arange(len(similar)), np.arange(start, start + len(similar))] = -1.0  # not with itself
        near = np.argpartition(-similar, width - 1, axis=1)[:, :width] if width else np.zeros((len(similar), 0), int)
        order = np.take_along_axis(similar, near, 1)
        found.append(np.take_along_axis(near, np.lexsort((near, -order), axis=1), 1))
    return np.concatenate(found)
