"""A folder as the pages take it for granted: a table of products, photos, rows to come, and a study."""

import random
from pathlib import Path

import polars as pl
from PIL import Image, ImageDraw

COLOURS = {"clothes": (40, 60, 200), "kitchen": (200, 60, 40), "decor": (60, 180, 80)}
WORDS = {"clothes": ("shirt", "scarf"), "kitchen": ("kettle", "pan"), "decor": ("clock", "vase")}


PACKAGE = """
from torch import nn

import interfuse


class CrossModal(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.fuse = interfuse.create_fusion("gmu", image_dim=2048, text_dim=768, fused_dim=hidden)

    def forward(self, image, text, image_mask, text_mask):
        return self.fuse(image, text, image_mask, text_mask).vector
"""


def make_rows(folder: Path, count: int = 60) -> None:
    """Write products.csv, new.csv, labelled.csv, photo.jpg, photos/ and the files of the Flickr8k pages."""
    draw = random.Random(0)
    (folder / "photos").mkdir()
    rows = []
    for number in range(count):
        category = list(COLOURS)[number % 3]
        name = f"{number:04}.jpg"
        paint(folder / "photos" / name, category, draw)
        rows.append({"photo": name, "title": f"{draw.choice(WORDS[category])} number {number}", "category": category})
    rows[1]["title"] = rows[2]["photo"] = ""
    table = pl.DataFrame(rows)
    table.write_csv(folder / "products.csv")
    table.head(12).write_csv(folder / "labelled.csv")
    table.head(12).drop("category").write_csv(folder / "new.csv")
    paint(folder / "photo.jpg", "kitchen", draw)
    (folder / "my_package").mkdir()
    (folder / "my_package" / "fusion.py").write_text(PACKAGE, encoding="utf-8")
    for part in ("train", "dev"):
        make_pairs(folder, part)


def paint(path: Path, category: str, draw: random.Random) -> None:
    """Draw a picture whose colour goes with its category, and which is like no other."""
    picture = Image.new("RGB", (64, 64), COLOURS[category])
    corner = draw.randrange(40), draw.randrange(40)
    ImageDraw.Draw(picture).ellipse((*corner, corner[0] + 20, corner[1] + 20), fill=(draw.randrange(256),) * 3)
    picture.save(path)


def make_pairs(folder: Path, part: str) -> None:
    """Write captions and pairs as the Flickr8k files have them."""
    captions = pl.DataFrame({"image": ["a.jpg", "b.jpg"], "caption_no": [0, 0], "caption": ["a dog", "a boat"]})
    captions.write_csv(folder / f"captions_{part}.tsv", separator="\t")
    pairs = pl.DataFrame({"image": ["a.jpg", "b.jpg"], "caption_id": ["a.jpg#0", "a.jpg#0"], "label": [1, 0]})
    pairs.write_csv(folder / f"itm_random_{part}.tsv", separator="\t")
