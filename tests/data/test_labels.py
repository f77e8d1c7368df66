"""Labels: which task they make, and how they are read."""

import polars as pl
import pytest

from interfuse.core.errors import DataError
from interfuse.core.tasks import PAIR_LABELS
from interfuse.data.labels import infer_task, label_values, name_classes, read_labels, read_targets


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"], "multiclass"),
        (["1", "2"], "multiclass"),
        ([1.0, None, float("nan")], "multiclass"),
        ([True, False], "multiclass"),
        (["1.5", "2"], "regression"),
        ([0.5, 1.0], "regression"),
        (["a", "b|c"], "multilabel"),
        ([["a"], []], "multilabel"),
    ],
)
def test_the_task_is_seen_from_the_labels(values, task):
    assert infer_task(pl.Series("kind", values, strict=False)) == task


def test_whole_numbers_that_a_hole_made_floats_are_named_as_whole_numbers():
    read = read_labels(pl.Series("kind", [10.0, 2.0, None, float("nan")]), "multiclass")
    assert read == [("10",), ("2",), None, None]
    assert name_classes(read) == ("2", "10")


def test_a_label_that_is_twice_in_a_row_counts_once_and_blanks_are_none():
    assert read_labels(pl.Series("kind", ["a|b|a", " ", "|"]), "multilabel") == [("a", "b"), None, ()]
    assert read_labels(pl.Series("kind", [["a", "a"], [], None]), "multilabel") == [("a",), (), None]


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        ([["a", "b"], ["c"]], "multiclass", r"Column 'kind' has a row with 2 labels \(a, b\), .*task=multilabel"),
        ([[["a"]]], "multilabel", r"Column 'kind' holds List\(List\(String\)\) values; a label is a text"),
        ([b"x"], "multiclass", "Column 'kind' holds Binary values; a label is a text"),
        (["a", "maybe"], "matching", "Column 'kind' has 'a': matching takes 1 or 0"),
        ([["1"], ["0"]], "matching", "Column 'kind' holds lists|Column 'kind' has"),
        (["a"], "multi_class", "Unknown task 'multi_class'. Did you mean 'multiclass'"),
    ],
)
def test_labels_that_do_not_fit_the_task_are_refused(values, task, message):
    with pytest.raises(DataError, match=message):
        read_labels(pl.Series("kind", values), task)


def test_matching_reads_every_way_to_say_that_a_pair_fits():
    read = read_labels(pl.Series("fits", ["1", "0", "True", "false", "yes", "NO", " ", None]), "matching")
    assert read == [("1",), ("0",), ("1",), ("0",), ("1",), ("0",), None, None]
    assert read_labels(pl.Series("fits", [1.0, 0.0, float("nan")]), "matching") == [("1",), ("0",), None]
    assert read_labels(pl.Series("fits", [True, False]), "matching") == [("1",), ("0",)]


def test_regression_reads_numbers_and_leaves_blanks_open():
    assert read_targets(pl.Series("price", ["1.5", " ", "-2e3", None])) == [1.5, None, -2000.0, None]
    assert read_targets(pl.Series("price", [1.5, float("nan")])) == [1.5, None]


@pytest.mark.parametrize("cell", ["cheap", "inf", "nan"])
def test_what_is_no_finite_number_is_told_with_its_row(cell):
    with pytest.raises(DataError, match=rf"Column 'price' has '{cell}' \(row 1\), which is no finite number"):
        read_targets(pl.Series("price", ["1", cell]))


def test_a_list_of_one_label_may_be_a_class():
    assert read_labels(pl.Series("kind", [["a"], [], ["b"]]), "multiclass") == [("a",), None, ("b",)]


@pytest.mark.parametrize(
    ("cells", "task", "untyped", "wanted"),
    [
        ([1, 0, None, 1], "multiclass", False, (0, 1)),
        ([10.0, 9.0, None], "multiclass", False, (9, 10)),  # a hole makes floats of whole numbers
        ([True, False], "multiclass", False, (False, True)),
        (["1", "0"], "multiclass", False, None),  # a typed column of texts holds texts
        (["1", "0"], "multiclass", True, (0, 1)),  # of a CSV nobody can tell, and readers of tables take numbers
        (["01", "02"], "multiclass", True, None),
        (["True", "False"], "multiclass", True, (False, True)),
        (["a", "1"], "multiclass", True, None),
        ([[1, 2], [2, 3]], "multilabel", False, (1, 2, 3)),
        (["1|2", "2"], "multilabel", True, None),
        (["yes", "no"], "matching", True, ("no", "yes")),
        ([True, False], "matching", False, (False, True)),
    ],
)
def test_classes_keep_the_values_of_their_column(cells, task, untyped, wanted):
    column = pl.Series("label", cells, strict=False)
    labels = read_labels(column, task)
    names = PAIR_LABELS if task == "matching" else name_classes(labels)
    found = label_values(column, task, names, untyped)
    assert found == wanted
    assert found is None or [type(value) for value in found] == [type(value) for value in wanted]
