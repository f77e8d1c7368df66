"""Near-copies: pictures that show the same although their files differ, as one that was encoded or resized again."""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

SIDE = 16
"""Rows and columns of a thumbnail."""
COARSE = 4
"""Rows and columns of the blocks that near pictures are looked up by."""
MOST_RMS = 6.0
"""Largest root mean square difference of two thumbnails, in levels of 255."""
MOST_OF_CONTRAST = 0.2
"""Largest part that the difference may have of the lesser contrast: a correlation of about 0.98."""
MOST_BY_BLOCK = {2: 16.0, 4: 6.0, SIDE: 2.0}
"""Side of a block in pixels of the thumbnail to the largest difference of two blocks' mean colour, in levels."""
LEAST_CONTRAST = 4.0
"""Standard deviation of a thumbnail, in levels, below which it shows too little to be told from others by it."""
_PIECE = 1 << 11
"""Pairs, or thumbnails, that are looked at at once."""
_NEIGHBOURS = 1 << 18
"""Neighbours that are held at once."""
_NEAREST = 8
"""Neighbours that every picture is compared with first."""
_CROWD = 64
"""Linked pictures with more neighbours, of which only those outside are then looked for."""
_RADIUS = MOST_BY_BLOCK[COARSE] * (1 + 1e-4)
"""How far apart the coordinates of near pictures lie at most; floats round."""

Thumbnails = UInt8[np.ndarray, "pictures 16 16 3"]


def find_near(thumbnails: Thumbnails) -> Int[np.ndarray, " pictures"]:
    """Return for each picture the first of its near-copies, itself where it has none before it.

    Two pictures are near-copies if `are_near` says so, or others link them. No pair is missed: a pair that is near has
    coarse blocks and a mean colour within the limits, and a k-d tree gives all pairs that have. First each picture is
    compared with the nearest few; a picture that has more neighbours is compared with those of them that are not
    linked to it by then. So pictures of one scene, which are all alike, take no time that grows with their square.

    Args:
        thumbnails: of distinct pictures, as `make_thumbnail` gives them; may be mapped from a file.
    """
    first = np.arange(len(thumbnails))
    if len(thumbnails) < 2:
        return first
    firsts, of_distinct = _distinct(thumbnails)
    alike = firsts[_Search(thumbnails, firsts).link_all()][of_distinct]
    contrasty = np.concatenate([_contrast(piece.astype(np.float32)) for piece in _pieces(thumbnails)])
    return np.where(contrasty >= LEAST_CONTRAST, alike, first)


def are_near(one: Thumbnails, other: Thumbnails) -> Bool[np.ndarray, " pictures"]:
    """Whether each picture of `one` is a near-copy of that of `other`.

    Re-encoding and resizing change a thumbnail little and everywhere alike; another picture differs much somewhere,
    however similar its composition is. So the whole and every block of it must agree.
    """
    first, second = one.astype(np.float32), other.astype(np.float32)
    difference = first - second
    rms = np.sqrt((difference**2).mean((1, 2, 3)))
    contrast = np.minimum(_contrast(first), _contrast(second))
    near: np.ndarray = (contrast >= LEAST_CONTRAST) & (rms <= MOST_RMS) & (rms <= MOST_OF_CONTRAST * contrast)
    for side, most in MOST_BY_BLOCK.items():
        near &= np.abs(_blocks(difference, side)).max((1, 2, 3)) <= most
    return near


def _contrast(pictures: Float[np.ndarray, "pictures 16 16 3"]) -> Float[np.ndarray, " pictures"]:
    """Return the standard deviation of each picture about its mean colour, over pixels and colours."""
    deviations = pictures - pictures.mean((1, 2), keepdims=True)
    contrast: np.ndarray = np.sqrt((deviations**2).mean((1, 2, 3)))
    return contrast


def _blocks(pictures: Float[np.ndarray, "pictures 16 16 3"], side: int) -> Float[np.ndarray, "pictures rows rows 3"]:
    """Return the mean colour of each block."""
    rows = SIDE // side
    means: np.ndarray = pictures.reshape(len(pictures), rows, side, rows, side, 3).mean((2, 4))
    return means


def _pieces(array: np.ndarray) -> Iterator[np.ndarray]:
    return (array[start : start + _PIECE] for start in range(0, len(array), _PIECE))


def _distinct(thumbnails: Thumbnails) -> tuple[np.ndarray, np.ndarray]:
    """Return the first picture of each distinct thumbnail, and which of these each picture has."""
    numbers: dict[bytes, int] = {}
    firsts, of_distinct = list[int](), np.empty(len(thumbnails), np.int64)
    for place in range(len(thumbnails)):
        digest = hashlib.blake2b(thumbnails[place].tobytes(), digest_size=16).digest()
        of_distinct[place] = number = numbers.setdefault(digest, len(numbers))
        if number == len(firsts):
            firsts.append(place)
    return np.array(firsts, np.int64), of_distinct


def _coordinates(thumbnails: Thumbnails) -> Float[np.ndarray, "pictures 19"]:
    """Return the grey coarse blocks and the mean colour of each picture; the latter scaled to the former's limit."""
    blocks = _blocks(thumbnails.astype(np.float32), COARSE)
    colours = blocks.mean((1, 2)) * (MOST_BY_BLOCK[COARSE] / MOST_BY_BLOCK[SIDE])
    return np.concatenate([colours, blocks.mean(3).reshape(len(blocks), -1)], axis=1)


class _Search:
    """A search for the near-copies among distinct thumbnails, by their numbers from 0."""

    def __init__(self, thumbnails: Thumbnails, places: np.ndarray) -> None:
        self.thumbnails, self.places, self.links = thumbnails, places, _Links(len(places))
        self.coordinates = np.concatenate([_coordinates(thumbnails[part]) for part in _pieces(places)])

    def link_all(self) -> np.ndarray:
        """Return the least number that each is linked to."""
        from scipy.spatial import cKDTree

        tree, width = cKDTree(self.coordinates), min(_NEAREST, len(self.places))
        distances, nearest = tree.query(self.coordinates, width, p=np.inf, distance_upper_bound=_RADIUS)
        inside = np.isfinite(distances).reshape(len(nearest), -1)
        self.compare(np.nonzero(inside)[0], nearest.reshape(inside.shape)[inside])
        busy = np.flatnonzero(inside[:, -1])
        roots = self.links.roots()[busy]
        numbers, of_busy, sizes = np.unique(roots, return_inverse=True, return_counts=True)
        self.compare_all(tree, np.arange(len(self.places)), busy[sizes[of_busy] < _CROWD])
        for root in numbers[sizes >= _CROWD]:
            linked = self.links.roots()
            others = np.flatnonzero(linked != linked[root])
            if len(others):
                self.compare_all(cKDTree(self.coordinates[others]), others, busy[roots == root])
        return self.links.roots()

    def compare_all(self, tree: Any, numbers: np.ndarray, some: np.ndarray) -> None:
        """Compare some with all their neighbours in a tree, whose points have these numbers."""
        counts = tree.query_ball_point(self.coordinates[some], _RADIUS, p=np.inf, return_length=True)
        some, counts = some[counts > 0], counts[counts > 0]
        cuts = np.flatnonzero(np.diff(np.cumsum(counts) // _NEIGHBOURS)) + 1
        for part in np.split(some, cuts) if len(some) else ():
            neighbours = tree.query_ball_point(self.coordinates[part], _RADIUS, p=np.inf)
            one = np.repeat(part, [len(of_one) for of_one in neighbours])
            self.compare(one, numbers[np.concatenate([np.array(of_one, np.int64) for of_one in neighbours])])

    def compare(self, one: np.ndarray, other: np.ndarray) -> None:
        """Link the pairs that are near; those that are linked already, through others, need no look."""
        while True:
            apart = self.links.are_apart(one, other)
            one, other = one[apart], other[apart]
            if not len(one):
                return
            pair = self.places[one[:_PIECE]], self.places[other[:_PIECE]]
            near = are_near(self.thumbnails[pair[0]], self.thumbnails[pair[1]])
            self.links.join(one[:_PIECE][near], other[:_PIECE][near])
            one, other = one[_PIECE:], other[_PIECE:]


class _Links:
    """Numbers that are linked to each other, directly or through others."""

    def __init__(self, count: int) -> None:
        self.parents = np.arange(count)

    def roots(self) -> np.ndarray:
        """Return the least number that each is linked to."""
        while (self.parents != self.parents[self.parents]).any():
            self.parents = self.parents[self.parents]
        return self.parents

    def are_apart(self, one: np.ndarray, other: np.ndarray) -> np.ndarray:
        """Whether the two of each pair are not linked yet."""
        roots = self.roots()
        apart: np.ndarray = roots[one] != roots[other]
        return apart

    def join(self, one: np.ndarray, other: np.ndarray) -> None:
        """Link the two of each pair."""
        for first, second in zip(one.tolist(), other.tolist(), strict=True):
            first, second = self._root(first), self._root(second)
            self.parents[max(first, second)] = min(first, second)

    def _root(self, number: int) -> int:
        while self.parents[number] != number:
            number = int(self.parents[number])
        return number
