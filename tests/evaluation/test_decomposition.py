import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interfuse.core.errors import ConfigError
from interfuse.evaluation.decomposition import count, decompose, discretise, estimate_decomposition
from tests.references.interaction import bits, decompose_two_by_two

PARTS = ("redundancy", "unique_first", "unique_second", "synergy")


def gate(rule) -> np.ndarray:
    table = np.zeros((2, 2, 2))
    for a in (0, 1):
        for b in (0, 1):
            table[a, b, rule(a, b)] += 0.25
    return table


def copy() -> np.ndarray:
    table = np.zeros((2, 2, 2))
    table[0, 0, 0] = table[1, 1, 1] = 0.5
    return table


@pytest.mark.parametrize(
    ("name", "joint", "known"),
    [
        ("xor", gate(lambda a, b: a ^ b), (0.0, 0.0, 0.0, 1.0)),
        ("and", gate(lambda a, b: a & b), (0.3113, 0.0, 0.0, 0.5)),
        ("unique", gate(lambda a, b: a), (0.0, 1.0, 0.0, 0.0)),
        ("copy", copy(), (1.0, 0.0, 0.0, 0.0)),
    ],
)
def test_known_distributions_have_their_known_parts(name, joint, known):
    found = decompose(joint)
    assert [getattr(found, part) for part in PARTS] == pytest.approx(known, abs=0.005), name
    assert found.gap <= 1e-3
    assert found.total == pytest.approx(bits(joint))


@settings(max_examples=30, deadline=None)
@given(arrays(np.int64, (2, 2, 2), elements=st.integers(0, 30)).filter(np.any))
def test_it_finds_what_a_search_of_all_tables_finds(counts):
    found, slow = decompose(counts.astype(float)), decompose_two_by_two(counts / counts.sum())
    for part in PARTS:
        assert getattr(found, part) == pytest.approx(slow[part], abs=0.004), part


def test_twenty_cells_and_many_labels_converge_within_the_bound():
    draw = np.random.default_rng(0)
    found = decompose(draw.dirichlet(np.full(20 * 20 * 6, 0.1)).reshape(20, 20, 6))
    assert found.gap <= 1e-3
    assert sum(getattr(found, part) for part in PARTS) == pytest.approx(found.total, abs=1e-9)
    assert min(getattr(found, part) for part in PARTS) >= 0.0


def test_swapping_the_variables_swaps_their_parts():
    joint = np.random.default_rng(1).dirichlet(np.ones(24)).reshape(3, 4, 2)
    one, two = decompose(joint), decompose(joint.transpose(1, 0, 2))
    assert one.unique_first == pytest.approx(two.unique_second, abs=2e-3)
    assert one.synergy == pytest.approx(two.synergy, abs=2e-3)


def rows_of_xor(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(2)
    a, b = draw.integers(2, size=(2, rows))
    return a, b, a ^ b


def test_two_cells_tell_xor_and_the_null_stays_near_zero():
    found = estimate_decomposition(*rows_of_xor(500))
    assert found.value.synergy == pytest.approx(1.0, abs=0.02)
    assert found.null.synergy <= 0.02
    assert found.advice is None


def test_too_many_cells_are_told_by_the_null_which_is_shown_and_not_subtracted():
    draw = np.random.default_rng(3)
    a, b, label = rows_of_xor(500)
    many = estimate_decomposition(a + 2 * draw.integers(10, size=500), b + 2 * draw.integers(10, size=500), label)
    assert many.clusters == 20
    assert 0.4 <= many.null.synergy <= 0.65
    assert many.value.synergy >= 0.9  # subtracting the null would leave 0.45
    assert "With 20 cells for each modality and 500 rows" in many.advice
    assert "fewer cells" in many.advice


def test_rows_of_like_predictions_share_a_cell():
    draw = np.random.default_rng(4)
    truth = draw.integers(3, size=90)
    cells = discretise(np.eye(3)[truth] + 0.01 * draw.normal(size=(90, 3)), 3)
    assert len(set(zip(cells.tolist(), truth.tolist(), strict=True))) == 3
    assert discretise(np.ones((5, 2)), 4).tolist() == [0] * 5
    assert len(np.unique(discretise(np.array([[0.0], [1.0], [0.0]]), 20))) == 2
    with pytest.raises(ConfigError, match="1 to 20 cells, got 21"):
        discretise(np.ones((5, 2)), 21)


def test_counting_keeps_every_row_and_nonsense_is_refused():
    table = count(np.array([0, 1, 1]), np.array([0, 0, 2]), np.array([1, 1, 0]))
    assert table.shape == (2, 3, 2)
    assert table[0, 0, 1] == table[1, 0, 1] == table[1, 2, 0] == 1.0
    with pytest.raises(ConfigError, match="none below 0"):
        decompose(-np.ones((2, 2, 2)))
