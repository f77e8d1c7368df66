"""The place of a run: which of a study's trainings is shown is said, and no other is claimed."""

from pathlib import Path

import pytest

from interfuse.core.errors import ConfigError
from interfuse.core.files import write_json
from interfuse.workflows import Source, diagnose_seeds
from interfuse.workflows.diagnose.place import Place


def place_in(folder: Path, path: str, **record) -> Place:
    write_json(folder / "study.json", record)
    return Place.of(folder / "runs" / "concat-ab" / path)


def test_a_fold_is_named_and_the_others_are_said_to_be_missing(tmp_path):
    place = place_in(tmp_path, "0/fold-1", folds=3, metric="accuracy")
    assert place.name("concat", 0) == "concat, seed 0, fold 2 of 3"
    (note,) = place.list_notes("multiclass")
    assert "this is the one of fold 2 of 3" in note
    assert "The trainings of the other folds are not shown." in note


def test_of_one_split_there_is_no_fold_to_name(tmp_path):
    place = place_in(tmp_path, "4", folds=1, metric="AUC")
    assert place.name("concat", 4) == "concat, seed 4"
    assert place.list_notes("matching") == [
        "Its study compares by AUC; all that follows is of accuracy, a mean over rows."
    ]


def test_a_run_of_no_study_is_called_by_its_folder(tmp_path):
    place = Place.of(tmp_path / "run")
    assert (place.name("concat", 0), place.list_notes("multiclass")) == ("run", [])


def test_trainings_on_other_test_rows_are_not_put_together(tmp_path):
    record = {
        "designs": [{"fusion": "concat", "name": "concat", "role": "baseline"}],
        **{"seeds": [0], "folds": 1, "resplit": 5, "baseline": "concat", "margin": 0.01, "metric": "accuracy"},
        "data": {"task": "multiclass"},
    }
    write_json(tmp_path / "study.json", record)
    with pytest.raises(ConfigError, match="share no test rows.* Diagnose one of them: give the folder of its run"):
        diagnose_seeds(tmp_path, Source("known:xor"))
