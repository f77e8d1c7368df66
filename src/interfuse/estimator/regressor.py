"""`FusionRegressor`: picture and text in, a number out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from interfuse.core.errors import DataError
from interfuse.estimator.base import FusionEstimator
from interfuse.training import Run


class FusionRegressor(RegressorMixin, FusionEstimator):  # type: ignore[misc]
    """Predict a number from picture and text with a fusion network, in scikit-learn's habits; `score` is R².

    Attributes:
        run_: the trained network and its record.
        notes_: what was said while training: what was encoded, cut, left out.

    Raises:
        DataError: X is no table or lacks a column, or y does not fit it.
        ConfigError: a setting cannot work.
        NotFittedError: it is asked for predictions before `fit`.

    >>> FusionRegressor(image="path", text="caption", fusion="gmu").design.fusion
    'gmu'
    """

    def fit(self, X: Any, y: Any) -> "FusionRegressor":
        """Train on the rows of a table.

        Args:
            X: pandas, polars or Arrow table with the columns that the settings name.
            y: a finite number a row.
        """
        values = np.asarray(y)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim != 1 or len(values) == 0:
            raise DataError(f"y has shape {values.shape}; expected a number a row, (rows,).")
        try:
            numbers = values.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"y holds what is no number ({error}). FusionClassifier takes classes.") from error
        bad = np.flatnonzero(~np.isfinite(numbers))
        if len(bad):
            raise DataError(f"Row {bad[0]} of y is {numbers[bad[0]]}, no finite number. Leave such rows out.")
        self._train(X, numbers.tolist(), "regression")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the number of each row, float32.

        Args:
            X: table as in `fit`; a row may lack its picture or its text.
        """
        return np.asarray(self._predict(X).probs[:, 0])

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags of what is taken: texts and gaps."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    def _take(self, run: Run, record: Mapping[str, Any]) -> None:
        if run.task != "regression":
            raise DataError(f"{run.folder} was trained for {run.task}, not for regression.")
        super()._take(run, record)
