"""The comparison in one call, for Python."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from interfuse.core.progress import Progress
from interfuse.settings import CompareSettings
from interfuse.workflows.compare.compare import compare as run_comparison
from interfuse.workflows.source import ENCODE, READ, TERMS, make_source, names_of, sort_settings
from interfuse.workflows.study import Study


def compare(
    data: Any,
    *,
    image: str | None = None,
    text: str | None = None,
    label: str | None = None,
    fusions: str | Sequence[str] | None = None,
    out: Path | str = "study",
    progress: Progress | None = None,
    **settings: Any,
) -> Study:
    """Compare fusion designs on rows of picture, text and label.

    Args:
        data: a file, a built-in name such as `easy-vqa`, or a polars, pandas or Arrow table.
        image: column with the picture files.
        text: column with the texts.
        label: column with the labels.
        fusions: designs, as `["concat:hidden=512", "cross_attention"]`; none: the floors and the original's designs.
        out: the study's folder; the same call on it again finishes or just reads it.
        progress: told how far it is.
        settings: any field of `SourceSettings`, `EncoderSettings`, `CompareSettings` or `Design`.

    Raises:
        ConfigError: a setting is not known or cannot work.
        DataError: the rows cannot be used.
    """
    columns = {"image": image, "text": text, "label": label}
    read, encode, own, terms = sort_settings({**settings, **columns}, READ, ENCODE, names_of(CompareSettings), TERMS)
    own["base"] = {**own.get("base", {}), **terms}
    own.setdefault("jobs", 1)  # worker processes would start the calling script again
    if own.get("designs"):
        own["designs"] = Path(own["designs"])
    names = fusions if isinstance(fusions, str) or fusions is None else ",".join(fusions)
    source = make_source(data, read, encode)
    return run_comparison(source, Path(out), CompareSettings(fusions=names, **own), progress)
