"""Splits: whole groups, fair shares, the same for the same rows in any order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interfuse.core.errors import ConfigError, DataError
from interfuse.data import SourceSettings
from interfuse.data.splits import Table, deal, group_rows, leaks, make_parts, read_split

SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
value = st.one_of(st.none(), st.sampled_from("abcdefgh"))


def table(sizes: list[int], classes: int = 1) -> Table:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    return Table(groups, groups % classes, [f"g{group}" for group in groups])


@given(st.lists(st.tuples(value, value), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_groups_are_the_connected_components_of_shared_values(rows):
    """The slow way: a row's group grows by every row that shares a value, until none does."""
    found = group_rows([a for a, _ in rows], [b for _, b in rows])
    for start in range(len(rows)):
        reached, before = {start}, set()
        while reached != before:
            before = set(reached)
            for other, pair in enumerate(rows):
                if any(x is not None and x == y for r in before for x, y in zip(rows[r], pair)):
                    reached.add(other)
        assert reached == set(np.flatnonzero(found == found[start]).tolist())


@given(st.lists(st.integers(1, 6), min_size=8, max_size=60), st.integers(1, 3), st.integers(0, 9), st.randoms())
@settings(max_examples=60, deadline=None)
def test_dealing_keeps_groups_whole_and_does_not_depend_on_the_order_of_rows(sizes, classes, seed, random):
    rows = table(sizes, classes)
    dealt = deal(rows, SHARES, seed)
    assert leaks(rows.groups, dealt) == []
    order = list(range(len(rows.names)))
    random.shuffle(order)
    assert deal(rows[np.array(order)], SHARES, seed).tolist() == dealt[order].tolist()


def test_small_groups_do_not_gather_in_the_small_parts():
    """Ten groups in a hundred go to validation, whatever their size."""
    sizes = [1 + n % 15 for n in range(3_000)]
    rows = table(sizes)
    dealt = deal(rows, {"train": 0.9, "validation": 0.1}, 0)
    inside = dealt == "validation"
    assert inside.mean() == pytest.approx(0.1, abs=0.002)
    assert len(set(rows.groups[inside])) / 3_000 == pytest.approx(0.1, abs=0.01)


def test_a_group_too_large_for_a_part_stays_in_the_largest():
    rows = table([90, *[1] * 40])
    for seed in range(20):
        assert deal(rows, SHARES, seed)[0] == "train"


def test_another_seed_makes_another_split():
    rows = table([1] * 100)
    assert (deal(rows, SHARES, 0) != deal(rows, SHARES, 1)).any()


def test_every_fold_draws_its_own_validation_rows():
    """One draw for all folds let the same 24 % of the rows serve in each; own draws let rows serve like coin tosses."""
    rows, folds, share = table([1] * 1_000, classes=2), 5, 0.15
    served = np.zeros(1_000)
    for fold in range(folds):
        chosen = SourceSettings(folds=folds, fold=fold, validation_share=share)
        parts, _ = make_parts(rows, None, chosen)
        validation = parts == "validation"
        assert validation.sum() == pytest.approx(0.15 * 800, abs=2)
        assert rows.classes[validation].mean() == pytest.approx(0.5, abs=0.02)  # stratified, as splits are
        assert make_parts(rows, None, chosen)[0].tolist() == parts.tolist()
        served += validation
    never, once, often = (served == 0).mean(), (served == 1).mean(), (served >= 3).mean()
    # binomial of 4 draws of 0.15: 0.522, 0.368 and 0.012, each with a deviation below 0.016
    assert never == pytest.approx(0.522, abs=0.05)
    assert once == pytest.approx(0.368, abs=0.05)
    assert often < 0.03


def test_leaks_count_a_group_once_however_many_parts_it_is_in():
    assert leaks(np.array([0, 0, 0, 1, 1]), np.array(["train", "validation", "test", "test", "test"])) == [0]


def test_the_usual_names_of_splits_are_understood():
    given_names = ["Train", "training", "val", "valid", "dev", " Validation ", "TEST", "testing"]
    assert read_split(given_names, "part").tolist() == ["train"] * 2 + ["validation"] * 4 + ["test"] * 2


def test_other_names_of_splits_are_listed():
    with pytest.raises(DataError, match="Column 'part' has the split a blank cell, 'extra', 'later'; expected train"):
        read_split(["train", "later", "extra", None], "part")


def test_a_straddling_group_is_counted_and_the_split_kept():
    rows = table([3, 2, 2])
    chosen = SourceSettings(split="part", group="shop")
    parts, notes = make_parts(rows, ["train", "test", "val", "train", "train", "train", "test"], chosen)
    assert parts.tolist() == ["train", "test", "validation", "train", "train", "train", "test"]
    assert notes == [
        "warning: 2 groups of rows with the same picture or 'shop' straddle the given split: a leak (5 rows). "
        "The split is used as given."
    ]


@pytest.mark.parametrize("lacking", ["validation", "test"])
def test_what_a_given_split_lacks_is_carved_from_train_and_said(lacking):
    other = {"validation": "test", "test": "validation"}[lacking]
    parts, notes = make_parts(table([1] * 60), ["train"] * 40 + [other] * 20, SourceSettings(split="part"))
    assert (parts[40:] == other).all()
    assert (parts[:40] == lacking).sum() == 6
    assert any(note.startswith(f"Split: {lacking} carved from train by group (seed 0): 34 train") for note in notes)


def test_too_few_groups_are_told():
    with pytest.raises(DataError, match="Too few groups of rows to make a test split: 2"):
        make_parts(table([5, 5]), None, SourceSettings())
    with pytest.raises(DataError, match="Too few groups of rows for 5 folds: 3"):
        make_parts(table([5, 5, 5]), None, SourceSettings(folds=5))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"test_share": 1.5}, "test_share must be between 0 and 1, got 1.5"),
        ({"test_share": 0.5, "validation_share": 0.5}, "leave no row to train on"),
        ({"resplit": 1}, "resplit must be at least 2, got 1"),
        ({"resplit": 3, "split": "part"}, "these rows have a split of their own, in column 'part'"),
        ({"resplit": 3, "test": "test.csv"}, "validation=… or test=… says what the split is"),
        ({"resplit": 3, "test_share": 0}, "test_share=0 leaves no test row"),
        ({"folds": 1}, "folds must be at least 2, got 1"),
        ({"folds": 3, "fold": 3}, "fold must be from 0 to 2, got 3"),
    ],
)
def test_settings_that_cannot_split_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        SourceSettings(**values)
