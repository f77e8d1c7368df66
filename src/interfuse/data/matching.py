"""Pairs for matching: every row once with its own caption, once with a caption of another picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from interfuse.core.seeds import derive
from interfuse.data.tables import number_series

NEIGHBOURS = 64
"""Most similar captions that a hard negative is looked for among."""
_CELLS = 1 << 24
"""Similarities that are held at once."""
_FIRST_TRIED = 64
"""Rows that are tried at once for a swap; twice as many each further time."""


@dataclass(frozen=True)
class Captions:
    """Rows of picture and caption, both there."""

    groups: np.ndarray
    """Rows of one group show one picture, or what was declared to belong together."""
    texts: Sequence[str] | pl.Series
    pools: np.ndarray
    """Captions are exchanged within a pool only: a split, or a fold."""


def draw_negatives(captions: Captions, seed: int, hard: bool = False) -> np.ndarray:
    """Return for each row another row, whose caption does not belong to its picture: its negative.

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
    count = len(captions.texts)
    texts = pl.Series(captions.texts, dtype=pl.String)
    numbers = number_series(texts)[0].astype(np.int64)
    owned = np.unique(captions.groups.astype(np.int64) * (count + 1) + numbers)
    negatives = np.full(count, -1, dtype=np.int64)
    for pool in sorted(set(captions.pools.tolist())):
        inside = np.flatnonzero(captions.pools == pool)
        draw = np.random.default_rng(derive(seed, "negatives", str(pool)))  # whatever other pools there are
        captions_of = _Pool(captions.groups[inside].astype(np.int64), numbers[inside], owned, count + 1).fill(
            draw, _nearest(texts.gather(inside).to_list()) if hard else None
        )
        negatives[inside] = np.where(captions_of < 0, -1, inside[captions_of])
    return negatives


@dataclass(frozen=True)
class _Pool:
    """The rows of one pool, and which may take whose caption."""

    groups: np.ndarray
    texts: np.ndarray
    """Number of each row's caption; equal ones have one."""
    owned: np.ndarray
    """Which texts are captions of which group: group × `width` + text, rising."""
    width: int

    def fits(self, rows: np.ndarray, captions: np.ndarray) -> np.ndarray:
        """Whether the captions may go to the rows: they belong to no picture of the row's group, nor do their texts."""
        pairs = self.groups[rows] * self.width + self.texts[captions]
        own = self.owned[np.minimum(np.searchsorted(self.owned, pairs), len(self.owned) - 1)] == pairs
        fits: np.ndarray = ~own & (self.groups[captions] != self.groups[rows])
        return fits

    def fill(self, draw: np.random.Generator, nearest: np.ndarray | None) -> np.ndarray:
        """Return a caption for every row, first of all one of the nearest; -1 where that is impossible."""
        every = np.arange(len(self.groups))
        captions = np.full(len(every), -1, dtype=np.int64)
        if nearest is not None:
            self.take_nearest(captions, draw, nearest)
        free = np.setdiff1d(every, captions[captions >= 0])
        captions[captions < 0] = draw.permutation(free)
        for row in np.flatnonzero(~self.fits(every, captions)).tolist():  # a swap leaves no other row unfit
            if not self.fits(every[row : row + 1], captions[row : row + 1]).all():
                self.swap(captions, row, draw)
        return np.where(self.fits(every, captions), captions, -1)

    def swap(self, captions: np.ndarray, row: int, draw: np.random.Generator) -> None:
        """Exchange the row's caption with that of another row, so that both fit; leave it where none does.

        Where no group has more than half of the rows, and no text is shared, there always is such a row: of the n, at
        most m belong to the row's group and m hold a caption of it, the row itself in both, 2m − 1 < n.
        """
        others = draw.permutation(len(captions))
        first, size = 0, _FIRST_TRIED
        while first < len(others):
            partners = others[first : first + size]
            fits = self.fits(np.array([row]), captions[partners]) & self.fits(partners, captions[row : row + 1])
            if fits.any():
                other = partners[fits.argmax()]
                captions[row], captions[other] = captions[other], captions[row]
                return
            first, size = first + size, 2 * size

    def take_nearest(self, captions: np.ndarray, draw: np.random.Generator, nearest: np.ndarray) -> None:
        """Let each row, in a drawn order, take the most similar caption that is free."""
        free = np.ones(len(captions), dtype=bool)
        for row in draw.permutation(len(captions)).tolist():
            near = nearest[row]
            candidates = near[free[near] & self.fits(np.array([row]), near)]
            if len(candidates):
                captions[row], free[candidates[0]] = candidates[0], False


def _nearest(texts: Sequence[str]) -> np.ndarray:
    """Return for each text the others by falling cosine of their TF-IDF vectors, at most 64; time is quadratic."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    try:
        vectors = TfidfVectorizer(sublinear_tf=True, dtype=np.float32).fit_transform(texts)
    except ValueError:  # no text has a word
        return np.zeros((len(texts), 0), dtype=np.int64)
    width, neighbours, chunk = min(NEIGHBOURS, len(texts) - 1), [], max(1, _CELLS // len(texts))
    for start in range(0, len(texts), chunk):
        similar = (vectors[start : start + chunk] @ vectors.T).toarray()
        similar[np.arange(len(similar)), np.arange(start, start + len(similar))] = -1.0  # not with itself
        near = np.argpartition(-similar, width - 1, axis=1)[:, :width] if width else np.zeros((len(similar), 0), int)
        order = np.take_along_axis(similar, near, 1)
        neighbours.append(np.take_along_axis(near, np.lexsort((near, -order), axis=1), 1))
    return np.concatenate(neighbours)
