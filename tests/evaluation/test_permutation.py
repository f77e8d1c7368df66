import numpy as np
import pytest

from interfuse.core.errors import ConfigError
from interfuse.evaluation.permutation import measure_permutation, perceptual_score
from tests.references.interaction import permuted_accuracy


def test_it_is_the_mean_over_every_permutation():
    draw = np.random.default_rng(0)
    table, labels = draw.normal(size=(6, 6, 3)), draw.integers(3, size=6)
    found = measure_permutation(table, labels, "multiclass", majority=0.5)
    for modality in ("image", "text"):
        expected = permuted_accuracy(table, labels, modality)
        one = getattr(found, modality)
        assert one.permuted == pytest.approx(expected)
        assert one.drop.mean == pytest.approx(found.score - expected)
        assert one.share == pytest.approx((found.score - expected) / found.score)
        assert one.share_above_majority == pytest.approx((found.score - expected) / 0.5)


def test_of_a_unimodal_task_the_other_modality_scores_exactly_zero():
    draw = np.random.default_rng(1)
    labels = draw.integers(4, size=40)
    table = np.repeat(np.eye(4)[labels][:, None], 40, axis=1)  # only the text speaks
    found = measure_permutation(table, labels, "multiclass", majority=0.25)
    assert found.image.share == found.image.drop.mean == found.image.changed == 0.0
    assert found.text.share > 0.6
    assert found.text.changed > 0.6


def test_a_modality_may_be_used_and_not_help():
    labels = np.array([0, 1] * 10)
    table = np.zeros((20, 20, 3))
    table[:, ::2, 2], table[:, 1::2, 1] = 1.0, 1.0  # image of an even row: the wrong class 2
    found = measure_permutation(table, labels, "multiclass", majority=0.5)
    assert found.image.changed == 0.5
    assert found.text.changed == 0.0


def test_multilabel_rows_are_scored_by_their_sets():
    labels = np.array([[1.0, 0.0], [0.0, 1.0]])
    table = np.zeros((2, 2, 2))
    table[:, 0], table[:, 1] = [3.0, -3.0], [-3.0, 3.0]  # only the picture speaks
    found = measure_permutation(table, labels, "multilabel", majority=0.0)
    assert found.score == 1.0
    assert found.image.permuted == 0.5
    assert found.text.drop.mean == found.text.changed == 0.0


def test_a_majority_above_one_is_refused_and_a_score_of_zero_divides_nothing():
    zero = np.zeros(3)
    with pytest.raises(ConfigError, match="a fraction from 0 to 1, got 55"):
        perceptual_score(zero, zero, zero, 55.0)
    found = perceptual_score(zero, zero, zero, 1.0)
    assert found.share == found.share_above_majority == 0.0


@pytest.mark.parametrize("wrong", [0.0, 0.1])
@pytest.mark.parametrize("modality", ["image", "text"])
def test_the_interval_counts_that_the_partners_are_sampled_too(modality, wrong):
    """Labels are 70 : 30 and the modality shows them, but for some rows: a model that reads them off loses so much."""
    shown = 0.7 * (1 - wrong) + 0.3 * wrong
    truth = (1 - wrong) - (0.7 * shown + 0.3 * (1 - shown))
    draw, covered, repeats, rows = np.random.default_rng(3), 0, 300, 60
    for _ in range(repeats):
        labels = (draw.random(rows) > 0.7).astype(int)
        seen = np.where(draw.random(rows) < wrong, 1 - labels, labels)
        table = np.repeat(np.eye(2)[seen][None], rows, axis=0)
        table = table if modality == "image" else table.swapaxes(0, 1)
        drop = getattr(measure_permutation(table, labels, "multiclass", 0.7), modality).drop
        covered += drop.low <= truth <= drop.high
    assert 0.89 <= covered / repeats <= 0.99  # 0.95 and 3 standard errors; rows alone: 0.68 and 0.87
