"""The diagnosis in one call, for Python."""

from pathlib import Path
from typing import Any

from interfuse.core.diagnosis import Diagnosis
from interfuse.core.progress import Progress
from interfuse.settings import DiagnoseSettings
from interfuse.training import Run
from interfuse.workflows.diagnose.diagnose import diagnose as diagnose_source
from interfuse.workflows.diagnose.diagnose import open_for_diagnosis
from interfuse.workflows.source import make_source, names_of, sort_settings_of_run


def diagnose(
    run: Run | Path | str,
    data: Any,
    *,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    out: Path | str | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Diagnosis:
    """Measure whether a run uses and needs both modalities and their interaction; nothing is trained.

    The record is written as `diagnosis.json` beside the run, and the page `diagnosis.html`.

    Args:
        run: the run, its folder, or the folder of a study: then the fusion of its verdict, first seed.
        data: a file, a built-in name such as `easy-vqa`, or a polars, pandas or Arrow table, with labels.
        image: column with the picture files; none: called as where the run was trained.
        text: column with the texts; none: likewise.
        label: column with the labels; none: likewise.
        out: the page; none: `diagnosis.html` beside the run.
        progress: told how far it is.
        settings: any field of `DiagnoseSettings` or `SourceSettings`, and `store`, `device` and `encoding_batch` of
            `EncoderSettings`.

    Returns:
        The record: the verdict in words, and each measure with its numbers.

    Raises:
        ConfigError: a setting is not known or cannot work.
        DataError: the folder holds no run, the rows cannot be used, or there is none in the split.
    """
    columns = {"image": image, "text": text, "label": label}
    read, encode, own = sort_settings_of_run({**settings, **columns}, names_of(DiagnoseSettings))
    source = make_source(data, read, encode)
    trained_run = run if isinstance(run, Run) else open_for_diagnosis(run)
    page = None if out is None else Path(out)
    return diagnose_source(trained_run, source, DiagnoseSettings(**own), page, progress)
