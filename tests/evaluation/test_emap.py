import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interfuse.core.errors import ConfigError
from interfuse.evaluation.emap import interaction_share, measure_emap, project_additive, tied_scores
from tests.references.interaction import additive_by_least_squares

BITS = np.array([(a, b) for a in (0, 1) for b in (0, 1)] * 5)  # N/4 rows in each cell


def table_of(logit) -> np.ndarray:
    """All pairs of the rows' bits; class 1 gets the logit, class 0 its opposite."""
    one = np.array([[float(logit(i, j)) for i in BITS[:, 1]] for j in BITS[:, 0]])  # text = first bit
    return np.stack([-one, one], -1)


@settings(max_examples=25, deadline=None)
@given(arrays(np.float64, (4, 5, 3), elements=st.floats(-9, 9)))
def test_the_projection_is_the_least_squares_fit_of_an_additive_table(table):
    np.testing.assert_allclose(project_additive(table), additive_by_least_squares(table), atol=1e-9)


@pytest.mark.parametrize(("dtype", "error"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_an_additive_model_is_its_own_projection(dtype, error):
    draw = np.random.default_rng(0)
    table = (draw.normal(size=(50, 1, 4)) + draw.normal(size=(1, 50, 4)) + 3.0).astype(dtype)
    assert np.abs(project_additive(table) - table).max() <= error * table.std()
    found = measure_emap(table, draw.integers(4, size=50), "multiclass")
    assert found.delta.mean == 0
    assert found.interaction_share <= error


def test_xor_falls_to_half_and_is_all_interaction():
    found = measure_emap(table_of(lambda a, b: 8 * ((a ^ b) - 0.5)), BITS[:, 0] ^ BITS[:, 1], "multiclass")
    assert found.score == 1.0
    assert found.additive_score == 0.5
    assert found.delta.mean == pytest.approx(0.5)
    assert found.interaction_share == pytest.approx(1.0)


def test_and_loses_nothing_although_its_modalities_interact():
    found = measure_emap(table_of(lambda a, b: 8 * ((a & b) - 0.5)), BITS[:, 0] & BITS[:, 1], "multiclass")
    assert found.score == found.additive_score == 1.0
    assert found.delta.mean == pytest.approx(0.0, abs=1e-12)
    assert found.interaction_share == pytest.approx(1 / 3)


def test_a_shift_of_all_classes_of_a_pair_is_no_interaction_in_multiclass():
    draw = np.random.default_rng(1)
    additive = draw.normal(size=(9, 1, 3)) + draw.normal(size=(1, 9, 3))
    shifted = additive + draw.normal(size=(9, 9, 1))
    assert interaction_share(shifted) <= 1e-12
    assert interaction_share(shifted, "multilabel") > 0.05
    assert interaction_share(np.ones((4, 4, 2))) == 0.0


def test_classes_that_tie_share_the_row():
    logits = np.array([[1.0, 1.0, 0.0], [1.0, 1.0 + 1e-9, 0.0], [0.0, 2.0, 1.0]])
    assert tied_scores(logits, np.array([0, 0, 1]), "multiclass", 1.0).tolist() == [0.5, 0.5, 1.0]


def test_a_multilabel_row_scores_its_f1():
    logits = np.array([[1.0, 1.0, -1.0], [-1.0, -1.0, -1.0]])
    labels = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert tied_scores(logits, labels, "multilabel", 1.0).tolist() == [pytest.approx(2 / 3), 1.0]


def test_a_table_that_is_not_square_or_not_finite_is_refused():
    with pytest.raises(ConfigError, match=r"\(rows, rows, classes\): got \(2, 3, 2\)"):
        measure_emap(np.zeros((2, 3, 2)), np.zeros(2), "multiclass")
    with pytest.raises(ConfigError, match="not finite"):
        measure_emap(np.full((2, 2, 2), np.nan), np.zeros(2), "multiclass")


def exclusive_or(draw: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Unequal bits whose exclusive or is the model's answer, right for 9 rows of 10."""
    image, text = (draw.random(rows) < 0.7).astype(int), (draw.random(rows) < 0.7).astype(int)
    answer = image[None, :] ^ text[:, None]
    labels = np.where(draw.random(rows) < 0.1, 1 - answer.diagonal(), answer.diagonal())
    return 2.0 * np.eye(2)[answer], labels


def test_the_interval_counts_that_the_projection_is_made_of_the_same_rows():
    truth = 0.8 * 0.09  # of the four pairs of bits the projection gets (0, 0) wrong: 10 % instead of 90 % right there
    draw, covered, repeats = np.random.default_rng(0), 0, 80
    for _ in range(repeats):
        delta = measure_emap(*exclusive_or(draw, 200), "multiclass").delta
        covered += delta.low <= truth <= delta.high
    assert covered >= 0.9 * repeats  # 0.97 less three standard errors of 80 draws; about 0.8 without it
