"""What a record says of rows and origin; what it does not say is left out."""

import pytest

from interfuse.reports.facts import data_card, design_settings, key_figures, notes, origin


def test_shared_settings_are_told_once_and_a_design_keeps_its_own(summary):
    common, own = design_settings(summary.study)
    assert common == [("dim", "64")]
    assert [text for _, text in own] == ["fusion=gmu, epochs=4, hidden=8", "fusion=text_only, epochs=5"]


def test_many_classes_are_counted_and_some_are_named(summary):
    study = {"data": {"label_names": [f"c{number}" for number in range(3000)]}}
    assert data_card(study) == [("classes", "3,000 (" + ", ".join(f"c{n}" for n in range(12)) + ", …)")]


@pytest.mark.parametrize("study", [{}, {"data": None}, {"data": {"rows": None, "notes": None}, "seconds": None}])
def test_an_absent_record_says_nothing(study):
    assert data_card(study) == origin(study) == notes(study) == []
    assert design_settings(study) == ([], [])
    assert key_figures(study, 3) == [("designs × seeds", "3")]
