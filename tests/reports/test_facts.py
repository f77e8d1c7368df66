"""What a record says of rows and origin; what it does not say is left out."""

import pytest

from interfuse.reports.facts import data_card, design_settings, key_figures, notes, origin


def test_shared_settings_are_told_once_and_a_design_keeps_its_own(summary):
    common, own = design_settings(summary.study)
    assert common == [("dim", "64")]
    assert [text for _, text in own] == ["fusion=gmu, epochs=4, hidden=8", "fusion=text_only, epochs=5"]


def test_seeds_that_were_added_are_counted_as_a_range():
    study = {"seeds": [0, 1], "added": {"b": 3}, "designs": [{"name": "a"}, {"name": "b"}]}
    assert key_figures(study, 3)[0] == ("designs × seeds", "3 × 2 to 5")
    assert origin(study) == [("seeds", "0, 1, and, where they were added, up to 4")]


def test_many_classes_are_counted_and_some_are_named(summary):
    study = {"data": {"label_names": [f"c{number}" for number in range(3000)]}}
    assert data_card(study) == [("classes", "3,000 (" + ", ".join(f"c{n}" for n in range(12)) + ", …)")]


def test_the_rows_of_one_fold_are_not_told_as_all(summary):
    data = {"rows": {"train": 136, "validation": 24, "test": 80}, "tested": 240}
    told = [("rows", "240 in 3 folds, each tested once")]
    folded = {"folds": 3, "data": data}
    assert data_card(folded) == [*told, *((f"{split} rows, fold 1", str(n)) for split, n in data["rows"].items())]
    assert told[0] in key_figures(folded, 2)
    assert ("train rows", "136") in data_card({"folds": 1, "data": data})


@pytest.mark.parametrize("study", [{}, {"data": None}, {"data": {"rows": None, "notes": None}, "seconds": None}])
def test_an_absent_record_says_nothing(study):
    assert data_card(study) == origin(study) == notes(study) == []
    assert design_settings(study) == ([], [])
    assert key_figures(study, 3) == [("designs × seeds", "3")]
