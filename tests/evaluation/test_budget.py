"""Who was still learning when the epochs ended."""

import numpy as np
import pytest

from interfuse.evaluation import Learning, say_budget


def learn(*curves: list[float], rows: int = 100_000) -> Learning:
    """So many validation rows that chance hardly moves their mean."""
    right = np.arange(rows) < rows * curves[0][-1]
    return Learning(curves, np.tile(right.astype(float), (len(curves), 1)))


@pytest.mark.parametrize(
    ("curve", "gain"),
    [
        ([0.5, 0.8], 0.3),
        ([0.5, 0.6, 0.8], 0.2),
        ([0.1, 0.2, 0.3, 0.7], 0.4),
        ([0.1, 0.2, 0.3, 0.5, 0.9], 0.6),  # two of five epochs
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9], 0.3),
        ([0.9, 0.8], -0.1),
    ],
)
def test_the_gain_is_that_of_the_last_quarter_of_the_epochs(curve, gain):
    assert learn(curve).gains == pytest.approx([gain])


def test_one_epoch_has_gained_nothing():
    assert learn([0.5]).gains == []
    assert say_budget({"one": learn([0.5])}, 0.01, "accuracy") == []


def test_the_median_training_counts():
    (said,) = say_budget({"d": learn([0.5, 0.5], [0.5, 0.52], [0.5, 0.9])}, 0.01, "accuracy")
    assert "d (+2.0)" in said
    assert say_budget({"d": learn([0.5, 0.5], [0.5, 0.5], [0.5, 0.9])}, 0.01, "accuracy") == []


def test_designs_that_gain_more_than_the_margin_are_named_most_first():
    learning = {"done": learn([0.9, 0.909]), "slow": learn([0.5, 0.52]), "slower": learn([0.5, 0.61])}
    assert say_budget(learning, 0.01, "R²") == [
        "Still learning when the epochs ended, by points of validation R² gained in the last quarter of them: "
        "slower (+11.0), slow (+2.0). The ranking is that of this budget; more epochs may change it."
    ]
    assert say_budget(learning, 0.2, "R²") == []


def test_only_five_are_named():
    (said,) = say_budget({f"d{n}": learn([0.0, 0.1 + n / 100]) for n in range(8)}, 0.01, "R²")
    assert said.count("(+") == 5
    assert "d3 (+13.0) and 3 more. The ranking" in said


def test_the_variance_of_a_gain_is_twice_that_of_a_mean_over_rows():
    """Half of 100 rows are right: `2 · ¼ / 100`, but for the row that counts as wrong besides."""
    assert learn([0.5, 0.5], rows=100).row_variance == pytest.approx(0.005, rel=0.05)
    assert learn([0.5, 0.5], rows=400).row_variance == pytest.approx(0.00125, rel=0.05)
    assert learn([0.9, 1.0], rows=100).row_variance == pytest.approx(2 * 0.1 * 1.1 / 100, rel=0.02)


def test_jumps_of_the_curve_count_and_a_steady_rise_does_not():
    draw = np.random.default_rng(0)
    restless = 0.5 + 0.02 * draw.normal(size=(200, 12))
    rising = restless + 0.01 * np.arange(12)
    for curves in (restless, rising):
        assert learn(*curves.tolist()).bounce == pytest.approx(2 * 0.02**2, rel=0.1)
    assert learn((0.01 * np.arange(12)).tolist()).bounce == pytest.approx(0.0, abs=1e-12)


def draw_study(
    draw: np.random.Generator, designs: int, seeds: int, rows: int, persistence: float, rise: float = 0.0
) -> dict[str, Learning]:
    """Ten epochs; a row's luck lasts to the next with this probability. `rise`: of each of the last five epochs."""
    chance = draw.beta(2.4, 0.6, rows)
    luck, curves = draw.random((designs, seeds, rows)), []
    for epoch in range(10):
        again = draw.random(luck.shape) >= persistence
        luck = np.where(again, draw.random(luck.shape), luck)
        right = luck < chance + rise * max(0, epoch - 4)
        curves.append(right.mean(-1))
    series = np.stack(curves, -1).tolist()
    return {str(d): Learning(series[d], right[d].astype(float)) for d in range(designs)}


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
@pytest.mark.parametrize(("rows", "studies"), [(90, 30), (300, 20), (3000, 4)])
def test_a_study_that_has_learnt_all_names_no_design(rows, studies, persistence):
    """At most one study in twenty is promised; 9 more of 90 are three standard errors."""
    draw = np.random.default_rng(rows)
    shapes = [(3, 1), (3, 3), (13, 3)]
    named = [
        bool(say_budget(draw_study(draw, *shape, rows, persistence), 0.01, "accuracy"))
        for shape in shapes
        for _ in range(studies)
    ]
    assert np.mean(named) <= 0.05


@pytest.mark.parametrize("persistence", [0.0, 0.5, 0.9])
def test_three_points_in_the_last_fifth_are_called(persistence):
    """A thousand validation rows and three seeds; 1.5 points an epoch."""
    draw = np.random.default_rng(0)
    studies = [say_budget(draw_study(draw, 3, 3, 1000, persistence, 0.015), 0.01, "accuracy") for _ in range(20)]
    assert all(studies)


def test_a_training_that_jumps_about_has_not_risen():
    """Two points up and down, on so many rows that their choice explains none of it."""
    draw = np.random.default_rng(0)
    named = 0
    for _ in range(100):
        curves = 0.8 + 0.02 * draw.normal(size=(5, 3, 20))
        named += bool(say_budget({str(d): learn(*curves[d].tolist()) for d in range(5)}, 0.01, "accuracy"))
    assert named <= 11  # 5 of 100 promised, and three standard errors
