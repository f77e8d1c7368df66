"""Attention between words and picture, both ways: where each word looked, and which words each region looked at."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

WORDS = 16
"""Words whose map is drawn."""
REGIONS = 4
"""Regions of the picture whose words are shown."""
FAINT = 0.06
"""Share of the strongest heat below which a cell is left clear."""


@dataclass(frozen=True)
class WordMap:
    """Where one word looked."""

    word: str
    cells: list[tuple[int, int, float]]
    """Column, row and heat (fraction 0 to 1) of every cell that is not faint."""


@dataclass(frozen=True)
class RegionMap:
    """Which words one region of the picture looked at."""

    column: int
    row: int
    words: list[tuple[str, float]]
    """Every word with its share of the strongest, fraction 0 to 1."""


@dataclass(frozen=True)
class Maps:
    """Both directions for one row; empty where the fusion has no such attention."""

    grid: tuple[int, int] = (1, 1)
    """Rows and columns of the picture's regions."""
    ratio: float = 1.0
    """Width of the picture over its height."""
    by_word: list[WordMap] = field(default_factory=list)
    by_region: list[RegionMap] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything to draw."""
        return bool(self.by_word or self.by_region)


def map_words(
    words: Sequence[tuple[str, Sequence[int]]],
    to_image: Float[np.ndarray, "text_tokens image_tokens"] | None,
    to_text: Float[np.ndarray, "image_tokens text_tokens"] | None,
    grid: tuple[int, int],
    ratio: float,
) -> Maps:
    """Make the maps of one row.

    A word's heat runs from its least to its greatest attention. The regions shown are those that choose most among
    the words: whose greatest attention is furthest above their mean.

    Args:
        words: each word and the places of its pieces, whose attention is averaged.
        to_image: how each text token spreads its attention over the picture.
        to_text: how each image token spreads its attention over the text.
        grid: rows and columns of the image tokens.
        ratio: width of the picture over its height.
    """
    by_word, by_region = [], []
    if to_image is not None and to_image.shape[1] == grid[0] * grid[1]:
        for word, places in words[:WORDS]:
            heat = _spread(to_image[list(places)].mean(0))
            cells = [
                (at % grid[1], at // grid[1], round(float(heat[at]), 3)) for at in np.flatnonzero(heat > FAINT).tolist()
            ]
            by_word.append(WordMap(word, cells))
    if to_text is not None and len(to_text) == grid[0] * grid[1] and words:
        table = np.stack([to_text[:, list(places)].mean(1) for _, places in words], 1)  # (regions, words)
        selectivity = table.max(1) / np.maximum(table.mean(1), 1e-12)
        for at in np.argsort(-selectivity, kind="stable")[:REGIONS].tolist():
            shares = np.round(table[at] / max(float(table[at].max()), 1e-12), 3).tolist()
            word_shares = [(word, share) for (word, _), share in zip(words, shares, strict=True)]
            by_region.append(RegionMap(at % grid[1], at // grid[1], word_shares))
    return Maps(grid, ratio, by_word, by_region)


def read_maps(record: Mapping[str, Any] | None) -> Maps:
    """Read what `dataclasses.asdict` made of maps; nothing gives empty maps."""
    if not record:
        return Maps()
    words = [
        WordMap(str(one["word"]), [(int(x), int(y), float(h)) for x, y, h in one["cells"]]) for one in record["by_word"]
    ]
    regions = [
        RegionMap(int(one["column"]), int(one["row"]), [(str(word), float(share)) for word, share in one["words"]])
        for one in record["by_region"]
    ]
    rows, columns = record["grid"]
    return Maps((int(rows), int(columns)), float(record["ratio"]), words, regions)


def is_jpeg(uri: object) -> bool:
    """Whether this is a picture in the page itself, and nothing else that a style sheet would read."""
    return isinstance(uri, str) and re.fullmatch(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", uri) is not None


def _spread(values: np.ndarray) -> np.ndarray:
    """Bring weights to 0 to 1; equal weights point at nothing."""
    width = float(values.max() - values.min())
    return (values - values.min()) / width if width > 1e-12 else np.zeros_like(values)
