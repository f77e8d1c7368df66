import numpy as np
import pytest

from interfuse.core.diagnosis import Diagnosis, Measure, Value
from interfuse.evaluation import Contribution, mean_interval, say_seeds

ROWS = 400
GROUPS = np.arange(ROWS)


def diagnosed(drop: float, verdict: str = "Multimodal: both.", interaction: float = 0.2) -> Diagnosis:
    values = (
        Value("lost with the image", drop),
        Value("perceptual score of the image", drop, "share"),
        Value("perceptual score of the text", 0.5, "share"),
    )
    measures = tuple(
        Measure(key, "?", "", "", (*values, Value("interaction share", interaction, "share")), ROWS)
        for key in ("permutation", "emap")
    )
    about = ("run", "concat", "concat", 0, "rows", "test", "accuracy", verdict)
    return Diagnosis(*about, measures, (), (), 1.0, "0")


def study(draw: np.random.Generator, seeds: int = 5, between: float = 0.04) -> list[Contribution]:
    """Trainings whose loss differs: the true mean is 0.3."""
    rows = draw.normal(0.0, 0.3, ROWS)
    luck = draw.normal(0.0, between, (seeds, 1))
    table = 0.3 + rows + luck + draw.normal(0.0, 0.2, (seeds, ROWS))
    return [Contribution("permutation", "lost with the image", row, GROUPS) for row in table]


def test_a_number_has_an_interval_over_rows_and_trainings_and_no_range():
    contributions = study(np.random.default_rng(0))
    measure = say_seeds([diagnosed(one.by_row.mean()) for one in contributions], [[one] for one in contributions])
    assert measure.verdict == "The headline is the same in all 5 trainings: Multimodal."
    value = measure.values[0]
    expected = mean_interval(np.stack([one.by_row for one in contributions]), GROUPS)
    assert value.name == "lost with the image, permutation"
    assert (value.value, value.low, value.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert "range" not in measure.meaning
    shares = {value.name: value for value in measure.values[1:]}
    assert all(name.endswith("(over trainings alone)") for name in shares)
    assert shares["perceptual score of the text, permutation (over trainings alone)"].low is None  # always 0.5
    assert shares["perceptual score of the image, permutation (over trainings alone)"].low is not None


def test_the_interval_covers_the_mean_of_the_next_training_which_the_range_does_not():
    draw, covered, ranged, repeats = np.random.default_rng(1), 0, 0, 200
    for _ in range(repeats):
        contributions = study(draw, seeds=3)
        means = [one.by_row.mean() for one in contributions]
        value = say_seeds([diagnosed(mean) for mean in means], [[one] for one in contributions]).values[0]
        covered += value.low <= 0.3 <= value.high
        ranged += min(means) <= 0.3 <= max(means)
    assert covered >= 0.9 * repeats  # 0.95 less three standard errors
    assert ranged <= 0.8 * repeats


@pytest.mark.parametrize("middle", [0.02, 0.5, 0.98])
def test_an_interaction_share_s_interval_knows_its_bounds(middle):
    contributions = study(np.random.default_rng(3), seeds=3)
    shares = [middle - 0.015, middle, middle + 0.015]
    diagnoses = [diagnosed(0.3, interaction=share) for share in shares]
    values = say_seeds(diagnoses, [[one] for one in contributions]).values
    value = next(value for value in values if value.name.startswith("interaction share"))
    assert 0 < value.low < value.value < value.high < 1
    below, above = value.value - value.low, value.high - value.value
    assert np.sign(round(above - below, 3)) == np.sign(0.5 - middle)  # more room away from the bound


def test_trainings_of_another_kind_are_counted():
    contributions = study(np.random.default_rng(2), seeds=2)
    diagnoses = [diagnosed(0.3), diagnosed(0.3, "Unimodal in effect: the text.")]
    verdict = say_seeds(diagnoses, [[one] for one in contributions]).verdict
    assert verdict == "The headline of 1 of 2 trainings is: Multimodal; of the others: Unimodal in effect."
