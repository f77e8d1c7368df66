"""Rows whose class needs both picture and text: is the square's colour the one that the text names?"""

import itertools

import numpy as np
import pandas as pd
import pytest
from PIL import Image

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 60, 220), "yellow": (230, 220, 40)}
SMALL = {
    "image": "photo",
    "text": "question",
    "fusion": "product",
    "image_size": 64,
    "dim": 32,
    "epochs": 20,
    "batch_size": 16,
    "dropout": 0.0,
    "learning_rate": 3e-3,
}


def draw(colour: str, seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(-20, 20, (40, 40, 3))
    return Image.fromarray(np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def rows(tmp_path_factory):
    """80 rows in pandas: a path, a question, yes or no; the picture alone and the text alone tell nothing."""
    folder = tmp_path_factory.mktemp("pictures")
    table = []
    for number, (shown, asked) in enumerate(itertools.product(COLOURS, COLOURS)):
        for copy in range(9 if shown == asked else 3):
            path = folder / f"{number}-{copy}.png"
            draw(shown, 100 * number + copy).save(path)
            table.append((str(path), f"is the square {asked}?", "yes" if shown == asked else "no"))
    frame = pd.DataFrame(table, columns=["photo", "question", "answer"])
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")
