"""A study whose rows were split anew: every metric is a number a repetition, the constant answer's too."""

import numpy as np
import pyarrow as pa
import pytest

from interfuse.core.records import read_table, write_table
from interfuse.workflows import Study
from tests.workflows.study.made import BASELINE, make_study

SHARE = 0.2
NOISE = {"text_only": 9.0, "image_only": 10.0, "concat": 7.0, BASELINE: 5.0, "product": 1.0}


@pytest.fixture
def numbers(tmp_path):
    draw = np.random.default_rng(0)
    truth = {split: draw.normal(50.0, 10.0, size=60) for split in ("validation", "test")}
    probs = {
        design: [
            {split: (labels + draw.normal(0, noise, 60))[:, None] for split, labels in truth.items()} for _ in range(3)
        ]
        for design, noise in NOISE.items()
    }
    data = {"task": "regression", "source": "made", "test_share": SHARE}
    study = make_study(tmp_path / "study", "regression", truth, probs, resplit=3, data=data)
    keep_constant(study)
    return study, truth, probs


def keep_constant(study: Study) -> None:
    """Write the constant answer of each repetition, as a comparison does."""
    table = read_table(study.folder / "majority.parquet")
    every = [table.append_column("fold", pa.array(np.full(len(table), number))) for number in range(3)]
    write_table(study.folder / "majority.parquet", pa.concat_tables(every))


def interval_of(delta: np.ndarray) -> tuple[float, float]:
    half = 4.302653 * np.sqrt((1 / 3 + SHARE / (1 - SHARE)) * delta.var(ddof=1))  # t of 2 degrees of freedom
    return delta.mean() - half, delta.mean() + half


@pytest.mark.parametrize("metric", [None, "mse"])
def test_a_difference_of_numbers_has_the_interval_of_its_repetitions(numbers, metric):
    study, truth, probs = numbers
    shares = {
        design: np.array([np.square(seed["test"][:, 0] - truth["test"]).mean() for seed in seeds]) / truth["test"].var()
        for design, seeds in probs.items()
    }
    sign = -1 if metric is None else 1  # R² is 1 minus the share of the variance that is left
    rows = {row.design: row for row in study.summary(metric).rows}
    delta = sign * (shares["product"] - shares[BASELINE])
    assert rows["product"].delta == pytest.approx(delta.mean())
    assert (rows["product"].delta_ci_low, rows["product"].delta_ci_high) == pytest.approx(interval_of(delta))
    own = shares["product"] if metric else 1 - shares["product"]
    assert rows["product"].mean == pytest.approx(own.mean())
    assert rows["majority"].mean == pytest.approx(1.0 if metric else 0.0, abs=1e-6)
    assert [trial.fold for trial in study.trials() if trial.design.name == "product"] == [0, 1, 2]


def test_an_area_under_the_curve_is_that_of_each_repetition(tmp_path):
    draw = np.random.default_rng(1)
    truth = {split: np.arange(60) % 2 for split in ("validation", "test")}
    skills = {"text_only": 0.5, "image_only": 0.2, "concat": 1.0, BASELINE: 1.0, "product": 2.0}
    probs = {}
    for design, skill in skills.items():
        chances = [
            {split: 1 / (1 + np.exp(-skill * (labels - 0.5) - draw.normal(size=60))) for split, labels in truth.items()}
            for _ in range(3)
        ]
        probs[design] = [{split: np.stack([1 - p, p], 1) for split, p in seed.items()} for seed in chances]
    data = {"task": "matching", "source": "made", "test_share": SHARE}
    study = make_study(tmp_path / "study", "matching", truth, probs, resplit=3, data=data)
    keep_constant(study)
    rows = {row.design: row for row in study.summary("auc").rows}
    areas = {design: np.array([area(seed["test"][:, 1], truth["test"]) for seed in probs[design]]) for design in skills}
    delta = areas["product"] - areas[BASELINE]
    assert rows["product"].mean == pytest.approx(areas["product"].mean())
    assert (rows["product"].delta_ci_low, rows["product"].delta_ci_high) == pytest.approx(interval_of(delta))
    assert rows["majority"].mean == pytest.approx(0.5)


def area(scores: np.ndarray, labels: np.ndarray) -> float:
    """The slow way: the share of pairs that stand in the right order; made in float64, kept in float32."""
    scores = scores.astype(np.float32)
    return float(
        np.mean([float(p > n) + 0.5 * float(p == n) for p in scores[labels == 1] for n in scores[labels == 0]])
    )
