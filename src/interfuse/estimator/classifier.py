"""`FusionClassifier`: picture and text in, one class or several out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from interfuse.core.errors import DataError
from interfuse.estimator.base import FusionEstimator
from interfuse.estimator.tables import is_blank
from interfuse.training import Run
from interfuse.workflows import Predictions

TASKS = ("multiclass", "multilabel")


class FusionClassifier(ClassifierMixin, FusionEstimator):  # type: ignore[misc]
    """Classify rows of picture and text with a fusion network, in scikit-learn's habits.

    `y` is one label a row, or a 0/1 matrix (rows, classes) for several labels a row. Works in `cross_val_score`,
    `GridSearchCV` and pipelines; `predict_proba` has a column for each of `classes_`.

    Attributes:
        classes_: the labels, sorted; for a 0/1 matrix its column names, or 0, 1, … where it has none.
        run_: the trained network and its record.
        notes_: what was said while training: what was encoded, cut, left out.

    Raises:
        DataError: X is no table or lacks a column, or y does not fit it.
        ConfigError: a setting cannot work.
        NotFittedError: it is asked for predictions before `fit`.

    >>> FusionClassifier(image="path", text="caption", fusion="concat:hidden=64").design.settings
    {'hidden': 64}
    """

    def fit(self, X: Any, y: Any) -> "FusionClassifier":
        """Train on the rows of a table.

        Args:
            X: pandas, polars or Arrow table with the columns that the settings name.
            y: a label a row, or a 0/1 matrix (rows, classes).
        """
        names = [str(name) for name in y.columns] if hasattr(y, "columns") else None
        values = np.asarray(y)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim == 0 or len(values) == 0:
            raise DataError("y has no label.")
        _check(values)
        if values.ndim == 2:
            classes = np.array(names) if names else np.arange(values.shape[1])
            class_names = [_spell(name) for name in classes]
            labels: list[Any] = [[class_names[i] for i in np.flatnonzero(row)] for row in values]
        else:
            classes = np.unique(values)
            labels = [_spell(value) for value in values.tolist()]
        if len({_spell(name) for name in classes}) < len(classes):
            raise DataError(
                "Two classes of y are spelled alike but for spaces or type: make them one, or tell them apart."
            )
        self._train(X, labels, TASKS[values.ndim - 1])
        self.classes_ = classes
        values_of = {_spell(value): value for value in classes.tolist()}
        if all(isinstance(value, bool | int | float) for value in values_of.values()):  # from_run gives them back
            extra = {"label_values": [values_of[name] for name in self.run_.label_names]}
            self.run_ = replace(self.run_, info={**self.run_.info, **extra})
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Compute the probability of each class, (rows, classes), float32; columns as `classes_`.

        Args:
            X: table as in `fit`; a row may lack its picture or its text.
        """
        predictions = self._predict(X)
        names = (*map(_spell, np.array(_values(self._fitted_run())).tolist()), *predictions.label_names)
        columns = {name: place % len(predictions.label_names) for place, name in enumerate(names)}
        probs = np.zeros((len(predictions.probs), len(self.classes_)), dtype=np.float32)
        for place, name in enumerate(self.classes_.tolist()):
            if _spell(name) in columns:  # a class whose rows were all left out was never learned
                probs[:, place] = predictions.probs[:, columns[_spell(name)]]
        return probs

    def predict(self, X: Any) -> np.ndarray:
        """Return the likeliest class of each row, or for several labels a row a 0/1 matrix (0.5 or more).

        Args:
            X: table as in `fit`; a row may lack its picture or its text.
        """
        probs = self.predict_proba(X)
        if self._fitted_run().task == "multilabel":
            return (probs >= 0.5).astype(np.int64)
        labels: np.ndarray = self.classes_[probs.argmax(1)]
        return labels

    def predictions(self, X: Any) -> Predictions:
        """Predict as `interfuse predict` does: a table to show or to write.

        Args:
            X: table as in `fit`; a row may lack its picture or its text.
        """
        return self._predict(X)

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags of what is taken: texts, gaps, several labels a row."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_label = True
        tags.target_tags.required = True
        return tags

    def _remember(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist()}

    def _take(self, run: Run, record: Mapping[str, Any]) -> None:
        if run.task not in (*TASKS, "matching"):
            raise DataError(f"{run.folder} was trained for {run.task}, not to classify.")
        super()._take(run, record)
        classes = record.get("classes", _values(run))
        if len(classes) != len(run.label_names):
            raise DataError(
                f"{run.folder}: {len(classes)} classes are named, and the network has {len(run.label_names)}."
            )
        self.classes_ = np.array(classes)


def _values(run: Run) -> list[Any]:
    """Return the classes of a run as its labels had them; a pair of caption and picture fits (1) or not (0)."""
    plain = [0, 1] if run.task == "matching" else list(run.label_names)
    return list(run.info.get("label_values") or plain)


def _spell(value: Any) -> str:
    return str(value).strip()


def _check(values: np.ndarray) -> None:
    """Refuse labels that are no classes."""
    blank = next((row for row, value in enumerate(values) if values.ndim == 1 and is_blank(value)), None)
    if blank is not None:
        raise DataError(f"Row {blank} of y has no label. Leave such rows out.")
    if values.ndim == 1 and isinstance(values[0], list | tuple | set | np.ndarray):
        raise DataError("y has lists of labels; make a 0/1 matrix of them: MultiLabelBinarizer().fit_transform(y).")
    if values.ndim > 2 or (values.ndim == 2 and not np.isin(values, (0, 1)).all()):
        raise DataError(f"y has shape {values.shape}; expected (rows,), or a 0/1 matrix (rows, classes).")
    check_classification_targets(values)
