"""A dry run: read the rows as every command would, encode nothing, and say what they are like."""

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from interfuse.core.errors import DataError
from interfuse.core.inspection import LEVELS, Inspection, Leak, Sample, Spread
from interfuse.core.modalities import MODALITIES
from interfuse.core.progress import Progress, Silent
from interfuse.core.seeds import derive
from interfuse.data import Examples, PictureError, PictureHeader, find_leaks, load_examples, open_picture, read_header
from interfuse.workflows.source import Source, keep_troubles

MEASURED = 20_000
"""Most distinct pictures whose size is read."""
SAMPLES, SIDE = 6, 192
"""Rows that are shown, and the longer side of their pictures in pixels."""
PARTS = ("train", "validation", "test")
Row = dict[str, Any]


def inspect_source(source: Source, progress: Progress | None = None, quarantine: Path | None = None) -> Inspection:
    """Read the rows and describe them; pictures are looked at small, for near-copies, and six are shown.

    Args:
        source: the rows.
        progress: told how far it is.
        quarantine: CSV file for the rows in trouble; none: the first are in the answer.

    Raises:
        DataError: the rows cannot be used, or it is a known-answer task, which has no rows to look at.
    """
    watcher = progress or Silent()
    if source.is_known:
        raise DataError(f"{source.data} is made of tokens: it has no pictures and texts to look at.")
    examples = load_examples(source.data, source.read, watcher)
    if quarantine is not None:
        keep_troubles(examples.troubles, quarantine, watcher)
    rows = pl.DataFrame(pl.from_arrow(examples.table, rechunk=False))
    counts = {part: count for part in PARTS if (count := int((rows["split"] == part).sum()))}
    paths = list(examples.pictures().values())
    watcher.start("measure pictures", min(len(paths), MEASURED), "pictures")
    sizes, formats = _measure(paths[:MEASURED], lambda: watcher.advance("measure pictures", 1))
    watcher.finish("measure pictures")
    labels = _count_labels(examples, rows, list(counts))
    leaks = find_leaks(examples)
    missing = {
        modality: {part: rows.filter(split=part)[f"{modality}_key"].null_count() for part in counts}
        for modality in MODALITIES
    }
    texts = rows["text"].drop_nulls()
    return Inspection(
        source=str(source.data) if isinstance(source.data, str) else "data frame",
        task=examples.task,
        rows=counts,
        groups=rows["group"].n_unique(),
        labels=labels,
        unlabelled=int((rows["label"].list.len() == 0).sum()) if examples.task == "multilabel" else 0,
        target={part: _spread(rows.filter(split=part)["target"]) for part in counts}
        if examples.task == "regression"
        else {},
        missing=missing,
        pictures=len(paths),
        sizes=sizes,
        formats=formats,
        texts=rows["text_key"].drop_nulls().n_unique(),
        lengths={"characters": _spread(texts.str.len_chars()), "words": _spread(texts.str.count_matches(r"\S+"))}
        if len(texts)
        else {},
        leaks=leaks,
        troubles=[f"Row {t.row} ({t.id}): {t.reason}; {t.consequence}." for t in examples.troubles[:10]],
        trouble_count=len(examples.troubles),
        samples=_draw_samples(examples, rows, source.read.seed),
        warnings=_warn(leaks, missing, counts, labels, examples),
        notes=list(examples.notes),
    )


def _spread(values: Iterable[int | float] | pl.Series) -> Spread:
    numbers = values.cast(pl.Float64).to_numpy() if isinstance(values, pl.Series) else np.asarray(list(values), float)
    return Spread(len(numbers), float(numbers.mean()), tuple(float(q) for q in np.quantile(numbers, LEVELS)))


def _measure(paths: list[str], tick: Callable[[], None]) -> tuple[dict[str, Spread], dict[str, int]]:
    """Read the headers of the pictures, several at a time; they were readable a moment ago."""

    def read(path: str) -> PictureHeader | None:
        try:
            return read_header(path)
        except PictureError:
            return None

    headers: list[PictureHeader] = []
    with ThreadPoolExecutor(8) as pool:
        for header in pool.map(read, paths):
            tick()
            headers += [] if header is None else [header]
    if not headers:
        return {}, {}
    fields = {"width": "width", "height": "height", "bytes": "size"}
    sizes = {name: _spread(float(getattr(header, field)) for header in headers) for name, field in fields.items()}
    return sizes, dict(Counter(header.format for header in headers).most_common())


def _count_labels(examples: Examples, rows: pl.DataFrame, parts: list[str]) -> dict[str, dict[str, int]]:
    if examples.task == "regression":
        return {}
    each = rows.select("label", "split").explode("label").drop_nulls()
    counts = {(number, part): count for number, part, count in each.group_by("label", "split").len().iter_rows()}
    totals = [sum(counts.get((number, part), 0) for part in parts) for number in range(len(examples.label_names))]
    order = sorted(range(len(totals)), key=lambda number: (-totals[number], number))
    return {examples.label_names[n]: {part: counts.get((n, part), 0) for part in parts} for n in order}


def _draw_samples(examples: Examples, rows: pl.DataFrame, seed: int) -> list[Sample]:
    """Draw six rows, of as many different labels as there are."""
    order = np.random.default_rng(derive(seed, "samples")).permutation(rows.height)
    table = pl.DataFrame({"place": order, "label": rows["label"][order].cast(pl.List(pl.String)).list.join(" ")})
    nth = pl.int_range(pl.len()).over("label").alias("nth")  # of its label; the sort keeps the drawn order beside
    places = table.with_columns(nth).sort("nth", maintain_order=True)["place"][:SAMPLES]
    return [_show(examples, rows.row(place, named=True)) for place in places]


def _show(examples: Examples, row: Row) -> Sample:
    thumbnail, reason = None, "no picture"
    if row["image_key"] is not None:
        try:
            thumbnail, reason = _thumbnail(row["image"]), ""
        except PictureError as error:
            reason = str(error)
    if examples.task == "regression":
        label = f"{row['target']:g}"
    else:
        label = ", ".join(examples.label_names[number] for number in row["label"]) or "no label"
    return Sample(row["id"], row["split"], row["text"], label, thumbnail, reason or None)


def _thumbnail(path: str) -> str:
    image = open_picture(path, at_least=SIDE)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _warn(
    leaks: list[Leak],
    missing: dict[str, dict[str, int]],
    counts: dict[str, int],
    labels: dict[str, dict[str, int]],
    examples: Examples,
) -> list[str]:
    """Return what would spoil a comparison, each with its fix."""
    warnings, total = [], sum(counts.values())
    for leak in leaks:
        if leak.what != "text":
            warnings.append(f"A leak: {leak.sentence}. Fix: leave out split=…, and the split is made by picture.")
    for modality, by_part in missing.items():
        if sum(by_part.values()) == total:
            warnings.append(f"No row has a {modality}: there is nothing to fuse.")
        elif by_part.get("train", 0) == 0 and any(by_part.values()):
            warnings.append(
                f"Rows without {modality} occur, but none in train: what stands for an absent {modality} will not be "
                "trained. Fix: modality_dropout=0.1."
            )
    if examples.task in ("multiclass", "matching") and labels:
        name, most = next((name, sum(by_part.values())) for name, by_part in labels.items())
        if most > 0.8 * total:
            warnings.append(
                f"{100 * most / total:.0f} % of the rows are {name!r}: accuracy says little. Fix: look at macro F1, "
                "and try class_weights=balanced."
            )
    classes = [name for name, by_part in labels.items() if not by_part.get("train")]
    if classes:
        warnings.append(f"{len(classes)} classes occur in no train row: {', '.join(classes[:5])}.")
    return warnings
