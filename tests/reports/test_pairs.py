"""The matrix of all pairs."""

from interfuse.core.records import Contrast
from interfuse.reports.pairs import build_matrix, spell_pair_p

CONTRASTS = [
    Contrast("a", "b", 0.10, 0.05, 0.15, 0.001),
    Contrast("c", "a", -0.20, -0.3, -0.1, 0.0001),
    Contrast("b", "c", 0.05, None, None, 0.30),
]


def test_differences_stand_above_the_diagonal_and_p_below():
    matrix = build_matrix(CONTRASTS, ["a", "b", "c"])
    shown = {name: [cell.text if cell else "" for cell in cells] for name, cells in matrix.items()}
    assert shown == {"a": ["", "+10.0", "+20.0"], "b": [".001", "", "+5.0"], "c": ["< .001", ".300", ""]}


def test_a_pair_told_the_other_way_round_changes_its_sign_and_its_interval():
    cell = build_matrix(CONTRASTS, ["a", "b", "c"])["a"][2]
    assert cell.title == "a − c: +20.0 [+10.0, +30.0] points, Holm p < .001"


def test_only_what_is_sure_is_coloured_and_the_largest_the_most():
    matrix = build_matrix(CONTRASTS, ["a", "b", "c"])
    assert [cell.strength for cell in matrix["a"][1:]] == [22, 45]
    assert (matrix["b"][2].strength, matrix["b"][2].sure) == (0, False)
    assert (matrix["c"][0].strength, matrix["c"][0].sure) == (0, True)


def test_what_is_sure_goes_by_the_study_s_own_alpha():
    near = [Contrast("a", "b", 0.10, 0.05, 0.15, 0.03), Contrast("a", "c", 0.10, 0.05, 0.15, 0.01)]
    cells = build_matrix(near, ["a", "b", "c"], alpha=0.0158)["a"]
    assert [cell.sure for cell in cells[1:]] == [False, True]
    assert [cell.strength for cell in cells[1:]] == [0, 45]
    assert [cell.sure for cell in build_matrix(near, ["a", "b", "c"])["a"][1:]] == [True, True]


def test_a_p_of_one_is_no_empty_string():
    assert [spell_pair_p(p) for p in (1.0, 0.9999, 0.05, None)] == ["1", "1.000", ".050", "–"]
