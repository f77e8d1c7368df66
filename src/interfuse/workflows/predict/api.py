"""A run on new rows in one call, for Python: its predictions, or its scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interfuse.core.progress import Progress
from interfuse.training import Run, load_run
from interfuse.workflows.predict.predict import Predictions
from interfuse.workflows.predict.predict import evaluate as evaluate_source
from interfuse.workflows.predict.predict import predict as predict_source
from interfuse.workflows.source import make_source, names_of, sort_settings_of_run


@dataclass(frozen=True)
class EvaluateSettings:
    """Which rows a run is scored on."""

    on: str = "all"
    """Split that is scored: train, validation, test or all rows."""
    missing: Mapping[str, float] = field(default_factory=dict)
    """Modality to the fraction of the rows that go without it, as `{"image": 0.5}`; the seed draws which."""
    quarantine: Path | str | None = None
    """CSV file that lists every row in trouble with its reason; none: they are only said."""


def predict(
    run: Run | Path | str,
    data: Any,
    *,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Predictions:
    """Predict every row: its label and the probability of each class. A row may lack its picture or its text.

    Args:
        run: the run, or its folder.
        data: a file, a built-in name such as `easy-vqa`, or a polars, pandas or Arrow table.
        image: column with the picture files; none: called as where the run was trained.
        text: column with the texts; none: likewise.
        label: column with the labels, where there is one; it is not used.
        progress: told how far it is.
        settings: any field of `SourceSettings`, and `store`, `device` and `encoding_batch` of `EncoderSettings`.

    Returns:
        The predictions in the rows' order: `frame()` is a table of them, `write("predictions.csv")` a file.

    Raises:
        ConfigError: a setting is not known or cannot work.
        DataError: the folder holds no run, or the rows cannot be used.
    """
    columns = {"image": image, "text": text, "label": label}
    source = make_source(data, *sort_settings_of_run({**settings, **columns}))
    return predict_source(open_run(run), source, progress)


def evaluate(
    run: Run | Path | str,
    data: Any,
    *,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Mapping[str, int | float]:
    """Score a run on labelled rows.

    Args:
        run: the run, or its folder.
        data: a file, a built-in name such as `easy-vqa`, or a polars, pandas or Arrow table.
        image: column with the picture files; none: called as where the run was trained.
        text: column with the texts; none: likewise.
        label: column with the labels; none: likewise.
        progress: told how far it is.
        settings: any field of `EvaluateSettings` or `SourceSettings`, and `store`, `device` and `encoding_batch` of
            `EncoderSettings`. With `on="test"` only the test rows are scored.

    Returns:
        The number of rows under `rows`, and each metric of the task under its name.

    Raises:
        ConfigError: a setting is not known or cannot work.
        DataError: the folder holds no run, the rows cannot be used, or there is none in the split.
    """
    columns = {"image": image, "text": text, "label": label}
    read, encode, own = sort_settings_of_run({**settings, **columns}, names_of(EvaluateSettings))
    source, choice = make_source(data, read, encode), EvaluateSettings(**own)
    quarantine = Path(choice.quarantine) if choice.quarantine else None
    return evaluate_source(open_run(run), source, choice.on, progress, choice.missing, quarantine)


def open_run(run: Run | Path | str) -> Run:
    """Open a run where it is given by its folder."""
    return run if isinstance(run, Run) else load_run(run)
