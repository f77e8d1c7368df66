"""Numbers from picture and text, with scikit-learn's own tools."""

import numpy as np
import pytest
from sklearn.base import clone, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from interfuse import FusionClassifier, FusionRegressor
from interfuse.core.errors import DataError
from tests.estimator.conftest import COLOURS, SMALL


def test_numbers_are_learned_scored_by_r2_saved_and_loaded(rows, store, tmp_path):
    asked = rows["question"].str.extract(r"square (\w+)")[0]
    y = 100.0 + 10.0 * asked.map(list(COLOURS).index) + 5.0 * (rows["answer"] == "yes")
    made = FusionRegressor(**{**SMALL, "fusion": "concat:hidden=32", "epochs": 40}, store=store)
    assert is_regressor(made)
    assert made.fit(rows, y).score(rows, y) >= 0.8
    made.save(tmp_path / "model")
    loaded = FusionRegressor.load(tmp_path / "model", store=store)
    assert (loaded.predict(rows) == made.predict(rows)).all()
    assert FusionRegressor.from_run(tmp_path / "model", store=store).design == made.design
    assert cross_val_score(clone(made), rows, y, cv=2, error_score="raise").shape == (2,)
    with pytest.raises(DataError, match="holds a FusionRegressor, not a FusionClassifier"):
        FusionClassifier.load(tmp_path / "model")
    with pytest.raises(DataError, match="was trained for regression, not to classify"):
        FusionClassifier.from_run(tmp_path / "model")


def test_what_a_user_gets_wrong_is_told(rows):
    made = FusionRegressor(**SMALL)
    with pytest.raises(NotFittedError, match="This FusionRegressor is not fitted"):
        made.predict(rows)
    with pytest.raises(DataError, match=r"y holds what is no number .*FusionClassifier takes classes"):
        made.fit(rows, rows["answer"])
    with pytest.raises(DataError, match="Row 1 of y is nan, no finite number"):
        made.fit(rows, [0.0, float("nan")] + [1.0] * (len(rows) - 2))
    with pytest.raises(DataError, match=r"y has shape \(80, 2\)|y has shape \(72, 2\)"):
        made.fit(rows, np.zeros((len(rows), 2)))
