"""What is drawn over the picture of a fusion that has no map between words and picture."""

import re
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from PIL import Image

from interfuse.core.design import make_design
from interfuse.core.tokens import MemoryTable
from interfuse.data import Examples, Features
from interfuse.training import Run
from interfuse.workflows.diagnose.illustrate import illustrate
from tests.training.networks import build, inputs


@pytest.mark.parametrize(
    ("fusion", "drawn"),
    [
        ("perceiver", {"picture", "attention over the picture", "occlusion"}),
        ("bottleneck", {"picture", "occlusion"}),
        ("concat", {"picture", "occlusion"}),
    ],
)
def test_latents_are_drawn_over_the_picture_and_no_gradient_is_made_up(tmp_path, fusion, drawn):
    Image.new("RGB", (30, 20), "red").save(tmp_path / "red.png")
    items, (image, text) = torch.arange(4), inputs()
    tables = MemoryTable(*image, grid=(2, 3)), MemoryTable(*text)
    features = Features(
        *tables, items, items, items % 3, "multiclass", tuple("abc"), items, tuple("wxyz"), items, {"test": items}
    )
    examples = Examples(
        pa.table({"image": [str(tmp_path / "red.png")] * 4, "text": ["a red cup"] * 4}), "multiclass", tuple("abc")
    )
    run = Run(Path("run"), make_design(fusion, {}, {"dim": 16, "num_heads": 2}), build(fusion), {})
    found = illustrate(run, features, examples, items)
    assert sorted(found) == [0, 1, 2, 3]
    for one in found.values():
        assert {caption.partition("; ")[0] for caption in one.pictures} == drawn
        assert all(
            re.search(r"; deletion \d+, random \d+$", caption) for caption in one.pictures if caption != "picture"
        )
        assert {caption.partition("; ")[0] for caption in one.words} <= {"occlusion"}
        assert not one.maps
