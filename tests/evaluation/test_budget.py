"""Who was still learning when the epochs ended."""

import pytest

from interfuse.evaluation import say_budget
from interfuse.evaluation.budget import late_gain


@pytest.mark.parametrize(
    ("curve", "gain"),
    [
        ([0.5], 0.0),
        ([0.5, 0.8], 0.3),
        ([0.5, 0.6, 0.8], 0.2),
        ([0.1, 0.2, 0.3, 0.7], 0.4),
        ([0.1, 0.2, 0.3, 0.5, 0.9], 0.6),  # two of five epochs
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9], 0.3),
        ([0.9, 0.8], -0.1),
    ],
)
def test_the_gain_is_that_of_the_last_quarter_of_the_epochs(curve, gain):
    assert late_gain([curve]) == pytest.approx(gain)


def test_the_median_training_counts():
    assert late_gain([[0.5, 0.5], [0.5, 0.52], [0.5, 0.9]]) == pytest.approx(0.02)
    assert late_gain([]) == 0.0


def test_designs_that_gain_more_than_the_margin_are_named_most_first():
    curves = {"done": [[0.9, 0.909]], "slow": [[0.5, 0.52]], "slower": [[0.5, 0.61]]}
    assert say_budget(curves, 0.01, "R²") == [
        "Still learning when the epochs ended, by points of validation R² gained in the last quarter of them: "
        "slower (+11.0), slow (+2.0). The ranking is that of this budget; more epochs may change it."
    ]
    assert say_budget(curves, 0.2, "R²") == []


def test_only_five_are_named():
    (said,) = say_budget({f"d{n}": [[0.0, 0.1 + n / 100]] for n in range(8)}, 0.01, "R²")
    assert said.count("(+") == 5
    assert "d3 (+13.0) and 3 more. The ranking" in said
