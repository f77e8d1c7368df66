"""Heat over a picture: what was looked at glows, the rest stays as it is."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from interfuse.reports.maps import Maps

SIDE = 224
"""Longest side in pixels of a picture on the page."""
HEAT = (255, 106, 0)
STRONGEST = 0.72
"""Opacity where the heat is greatest, a fraction."""


@dataclass(frozen=True)
class Illustration:
    """What the page shows of one row."""

    pictures: dict[str, str] = field(default_factory=dict)
    """Caption to the picture as a data URI."""
    words: dict[str, list[tuple[str, float]]] = field(default_factory=dict)
    """Caption to the text's tokens, each with its share of the map's strongest, fraction 0 to 1."""
    maps: Maps = field(default_factory=Maps)
    """Attention word by word and region by region."""


def read_words(record: Mapping[str, Any]) -> dict[str, list[tuple[str, float]]]:
    """Read what JSON made of an illustration's words: caption to words, each with its share."""
    return {
        str(caption): [(str(word), min(1.0, max(0.0, float(weight)))) for word, weight in words]
        for caption, words in record.items()
    }


def draw_heat(picture: Image.Image, heat: Float[np.ndarray, "rows columns"]) -> Image.Image:
    """Lay a grid of weights over a picture as a translucent colour; the weights are spread over the whole of it.

    Weights below 0 count as 0; a grid of equal weights gives no heat at all, for it points at nothing.
    """
    small = shrink(picture)
    values = np.clip(heat.astype(np.float64), 0, None)
    spread = float(values.max() - values.min())
    strength = (values - values.min()) / spread if spread > 1e-12 else np.zeros_like(values)
    mask = Image.fromarray(np.round(255 * STRONGEST * strength).astype(np.uint8))
    mask = mask.resize(small.size, Image.Resampling.BICUBIC)
    return Image.composite(Image.new("RGB", small.size, HEAT), small, mask)


def shrink(picture: Image.Image) -> Image.Image:
    """Bring the longest side to the page's size."""
    scale = SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.convert("RGB").resize(size, Image.Resampling.BICUBIC)


def picture_uri(picture: Image.Image) -> str:
    """Write a picture into the page itself, as a small JPEG."""
    buffer = io.BytesIO()
    shrink(picture).save(buffer, "JPEG", quality=82, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
