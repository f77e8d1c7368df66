"""A dry run: read the rows as every command would, encode nothing, and say what they are like."""

import base64
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from interfuse.core.errors import DataError
from interfuse.core.inspection import LEVELS, Inspection, Leak, Sample, Spread
from interfuse.core.progress import Progress, Silent
from interfuse.core.seeds import derive
from interfuse.data import Examples, PictureError, load_examples, open_picture
from interfuse.data.remote import to_path
from interfuse.workflows.prepare import Source
from interfuse.workflows.quarantine import keep_troubles

MEASURED = 20_000
"""Most distinct pictures whose size is read."""
SAMPLES, SIDE = 6, 192
"""Rows that are shown, and the longer side of their pictures in pixels."""
PARTS = ("train", "validation", "test")
Row = dict[str, Any]


def inspect_source(source: Source, progress: Progress | None = None, quarantine: Path | None = None) -> Inspection:
    """Read the rows and describe them; each distinct picture's header is read, six pictures are decoded.

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
    examples = load_examples(source.data, source.read)
    if quarantine is not None:
        keep_troubles(examples.troubles, quarantine, watcher)
    rows: list[Row] = examples.table.to_pylist()
    parts = [part for part in PARTS if any(row["split"] == part for row in rows)]
    paths = list(examples.pictures().values())
    watcher.start("measure pictures", min(len(paths), MEASURED), "pictures")
    sizes, formats = _measure(paths[:MEASURED], lambda: watcher.advance("measure pictures", 1))
    watcher.finish("measure pictures")
    texts = [row["text"] for row in rows if row["text"] is not None]
    labels = _count_labels(examples, rows, parts)
    leaks = _find_leaks(rows)
    missing = {
        modality: {part: sum(row[key] is None for row in rows if row["split"] == part) for part in parts}
        for modality, key in (("image", "image_key"), ("text", "text_key"))
    }
    counts = {part: sum(row["split"] == part for row in rows) for part in parts}
    numbers = {part: [row["target"] for row in rows if row["split"] == part] for part in parts}
    return Inspection(
        source=str(source.data) if isinstance(source.data, str) else "data frame",
        task=examples.task,
        rows=counts,
        groups=len({row["group"] for row in rows}),
        labels=labels,
        unlabelled=sum(not row["label"] for row in rows) if examples.task == "multilabel" else 0,
        target={part: _spread(values) for part, values in numbers.items()} if examples.task == "regression" else {},
        missing=missing,
        pictures=len(paths),
        sizes=sizes,
        formats=formats,
        texts=len({row["text_key"] for row in rows} - {None}),
        lengths={
            name: _spread([measure(text) for text in texts])
            for name, measure in (("characters", len), ("words", lambda text: len(text.split())))
            if texts
        },
        leaks=leaks,
        troubles=[f"Row {t.row} ({t.id}): {t.reason}; {t.consequence}." for t in examples.troubles[:10]],
        trouble_count=len(examples.troubles),
        samples=_draw_samples(examples, rows, source.read.seed),
        warnings=_warn(leaks, missing, counts, labels, examples),
        notes=list(examples.notes),
    )


def _spread(values: Iterable[int | float]) -> Spread:
    found = np.asarray(list(values), dtype=np.float64)
    return Spread(len(found), float(found.mean()), tuple(float(q) for q in np.quantile(found, LEVELS)))


def _measure(paths: list[str], tick: Callable[[], None]) -> tuple[dict[str, Spread], dict[str, int]]:
    """Read the headers of the pictures, several at a time; they were readable a moment ago."""

    def look(path: str) -> tuple[int, int, int, str] | None:
        try:
            with Image.open(to_path(path)) as image:
                return *image.size, os.path.getsize(to_path(path)), image.format or "?"
        except (OSError, ValueError):
            return None

    found: list[tuple[int, int, int, str]] = []
    with ThreadPoolExecutor(8) as pool:
        for seen in pool.map(look, paths):
            tick()
            found += [] if seen is None else [seen]
    if not found:
        return {}, {}
    names = ("width", "height", "bytes")
    sizes = {name: _spread(float(seen[place]) for seen in found) for place, name in enumerate(names)}
    return sizes, dict(Counter(seen[3] for seen in found).most_common())


def _count_labels(examples: Examples, rows: list[Row], parts: list[str]) -> dict[str, dict[str, int]]:
    if examples.task == "regression":
        return {}
    counts = Counter((number, row["split"]) for row in rows for number in row["label"])
    totals = Counter(number for row in rows for number in row["label"])
    order = sorted(range(len(examples.label_names)), key=lambda number: (-totals[number], number))
    return {examples.label_names[n]: {part: counts[n, part] for part in parts} for n in order}


def _find_leaks(rows: list[Row]) -> list[Leak]:
    """Find what stands in two splits or more: a picture, a picture with its text, a text."""
    kinds: dict[str, Callable[[Row], Any]] = {
        "picture": lambda row: row["image_key"],
        "picture and text": lambda row: (
            (row["image_key"], row["text_key"]) if row["image_key"] and row["text_key"] else None
        ),
        "text": lambda row: row["text_key"],
    }
    leaks = []
    for what, key in kinds.items():
        held: dict[Any, list[Row]] = {}
        for row in rows:
            if key(row) is not None:
                held.setdefault(key(row), []).append(row)
        shared = [same for same in held.values() if len({row["split"] for row in same}) > 1]
        if shared:
            first = {row["split"]: row["id"] for row in reversed(shared[0])}
            example = ", ".join(f"{part} {first[part]}" for part in PARTS if part in first)
            leaks.append(Leak(what, len(shared), sum(len(same) for same in shared), example))
    return leaks


def _draw_samples(examples: Examples, rows: list[Row], seed: int) -> list[Sample]:
    """Draw six rows, of as many different labels as there are."""
    order = np.random.default_rng(derive(seed, "samples")).permutation(len(rows)).tolist()
    seen: Counter[tuple[int, ...]] = Counter()
    ranked: list[tuple[int, int, int]] = []
    for place in order:
        label = tuple(rows[place]["label"])
        ranked.append((seen[label], len(ranked), place))
        seen[label] += 1
    return [_show(examples, rows[place]) for *_, place in sorted(ranked)[:SAMPLES]]


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
    """Say what would spoil a comparison, each with its mend."""
    warnings, total = [], sum(counts.values())
    for leak in leaks:
        if leak.what != "text":
            many = "stands" if leak.items == 1 else "stand"
            warnings.append(
                f"A leak: {leak.items:,} {leak.what} {many} in two splits or more ({leak.rows:,} rows; {leak.example})."
                " Mend: leave out --split, and the split is made by picture."
            )
    for modality, by_part in missing.items():
        if sum(by_part.values()) == total:
            warnings.append(f"No row has a {modality}: there is nothing to fuse.")
        elif by_part.get("train", 0) == 0 and any(by_part.values()):
            warnings.append(
                f"Rows without {modality} occur, but none in train: what stands for an absent {modality} will not be "
                "trained. Mend: --modality-dropout 0.1."
            )
    if examples.task in ("multiclass", "matching") and labels:
        name, most = next((name, sum(by_part.values())) for name, by_part in labels.items())
        if most > 0.8 * total:
            warnings.append(
                f"{100 * most / total:.0f} % of the rows are {name!r}: accuracy says little. Mend: look at macro F1, "
                "and try class_weights=balanced."
            )
    unseen = [name for name, by_part in labels.items() if not by_part.get("train")]
    if unseen:
        warnings.append(f"{len(unseen)} classes occur in no train row: {', '.join(unseen[:5])}.")
    return warnings
