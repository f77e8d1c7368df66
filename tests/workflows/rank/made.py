"""Studies of several data sets whose designs are right as often as they are told to be."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from interfuse.workflows import Study
from tests.workflows.study.made import BASELINE, make_study

RIGHT = {"text_only": 0.65, "image_only": 0.55, "concat": 0.70, BASELINE: 0.75, "product": 0.85, "film": 0.75}
"""Share of rows that each design answers rightly."""


def make_data_set(
    folder: Path, number: int, right: Mapping[str, float] = RIGHT, rows: int = 300, seeds: int = 2, **more
) -> Study:
    """Write the study of one data set; `more`: other values of study.json, those of `data` by name."""
    draw = np.random.default_rng(number)
    truth = {split: draw.integers(0, 2, rows) for split in ("validation", "test")}

    def answer(labels: np.ndarray, share: float) -> np.ndarray:
        sure = np.where(draw.random(len(labels)) < share, 0.9, 0.1)
        return np.stack([np.where(labels == 0, sure, 1 - sure), np.where(labels == 1, sure, 1 - sure)], axis=1)

    probs = {
        design: [{split: answer(labels, share) for split, labels in truth.items()} for _ in range(seeds)]
        for design, share in right.items()
    }
    data = {"task": "multiclass", "source": f"shop-{number}.csv", "fingerprint": str(number), "tested": rows}
    return make_study(folder, "multiclass", truth, probs, **{**more, "data": {**data, **more.pop("data", {})}})
