"""Prediction at size: rows part by part, in bounded memory; killed at any moment it goes on from the finished parts."""

import hashlib
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from torch import Tensor

from interfuse.core.errors import DataError
from interfuse.core.progress import Progress, Silent
from interfuse.core.settings import fingerprint
from interfuse.data import Features, Stream, Trouble, ahead, load_part, open_stream
from interfuse.settings import StreamSettings
from interfuse.training import VOCABULARY, Run, read_texts
from interfuse.workflows.encode import Part, Towers
from interfuse.workflows.predict.output_parts import Joined, Parts
from interfuse.workflows.predict.predict import (
    Predictions,
    answer_rows,
    known_rows,
    same_encoders,
    source_of,
    warn_of_counts,
)
from interfuse.workflows.source import Source

SHOWN_TROUBLES = 20
"""Rows in trouble that are said aloud; all are listed in a file."""


@dataclass(frozen=True)
class Streamed:
    """What a prediction did."""

    out: Path
    predicted: int
    """Parts that were predicted now."""
    num_done: int
    """Parts of this process that were there already."""
    joined: Joined | None
    """None where the output is not there yet: other processes have parts left."""


@dataclass(frozen=True)
class _PartRows:
    """Rows of a part, ready to be predicted."""

    number: int
    features: Features
    rows: Tensor
    """Their numbers in the features."""
    troubles: tuple[Trouble, ...] = ()


def predict_stream(
    run: Run,
    source: Source,
    out: Path,
    settings: StreamSettings | None = None,
    progress: Progress | None = None,
) -> Streamed:
    """Predict every row of the source into a file; memory does not grow with the rows.

    Finished parts wait in the folder `OUT.parts`; the same call after a kill goes on from them and ends with the bytes
    of an undisturbed one. Rows in trouble are listed in `OUT.quarantine.csv`.

    Args:
        run: the trained network.
        source: the rows, and how they are read and encoded; a CSV, TSV, JSON lines or Parquet file is read part by
            part, all else is read whole.
        out: .csv or .parquet.
        settings: how the work is cut up, and which of it is this process's.
        progress: told how far it is.

    Raises:
        DataError: the rows cannot be read, their tokens are not those the run was trained on, or the folder holds parts
            of another prediction.
        ConfigError: the rows are of a known-answer task that the run was not trained for, or the other way round.
    """
    settings, watcher, source = settings or StreamSettings(), progress or Silent(), source_of(run, source)
    work: _Work | _Known = _Known(run, source, settings) if source.is_known else _Work(run, source, settings, watcher)
    count = -(-work.rows // settings.rows_per_part)
    parts = Parts(Path(out), _identity(run, source, work, settings), count)
    joined = parts.finished()
    if joined is not None:
        return Streamed(parts.out, 0, count, joined)
    mine = range(count)[settings.portion.number - 1 :: settings.portion.of]
    todo = sorted(set(mine) - parts.there())
    if num_done := len(mine) - len(todo):
        watcher.say(f"{num_done:,} of {len(mine):,} parts are there already.")
    if todo:
        _predict(run, work, parts, todo, watcher)
    if settings.join and len(parts.there()) == count:
        joined = parts.join()
    if joined is not None:
        _report(run, joined, parts, watcher)
    return Streamed(parts.out, len(todo), num_done, joined)


def _report(run: Run, joined: Joined, parts: Parts, progress: Progress) -> None:
    warn_of_counts(run, joined.missing, progress)
    if joined.troubles:
        progress.say(f"{joined.troubles:,} rows in trouble are listed in {parts.quarantine}.")


def _predict(run: Run, work: "_Work | _Known", parts: Parts, numbers: list[int], progress: Progress) -> None:
    """Predict and write the parts of these numbers, and say what is wrong with the first rows in trouble."""
    size, num_said = work.size, 0
    progress.start("predict", sum(min(size, work.rows - number * size) for number in numbers), "rows")
    done = 0
    with closing(work.parts(numbers)) as pieces:
        for rows in pieces:
            parts.write(rows.number, *_answer(run, rows), rows.troubles)
            for trouble in rows.troubles[: max(0, SHOWN_TROUBLES - num_said)]:
                progress.say(f"Row {trouble.row} ({trouble.id}): {trouble.reason}; {trouble.consequence}.")
            num_said += len(rows.troubles)
            done += 1
            progress.advance("predict", min(size, work.rows - rows.number * size))
    progress.finish("predict")
    if done < len(numbers):
        raise DataError(
            f"DATA ended after {done} of {len(numbers)} parts: the file changed while it was read. Start again."
        )


def _answer(run: Run, part: _PartRows) -> tuple[pl.DataFrame, dict[str, int]]:
    """Return the part of the output, and how many of its rows lack each modality."""
    features, rows = part.features, part.rows
    probs = answer_rows(run, features, rows)
    ids = [features.ids[row] for row in rows.tolist()]
    frame = Predictions(features.rows[rows].tolist(), ids, probs, run.label_names, run.task).frame()
    return frame, {modality: int((items[rows] < 0).sum()) for modality, items in features.items.named()}


def _identity(run: Run, source: Source, work: "_Work | _Known", settings: StreamSettings) -> dict[str, Any]:
    """Return all that the output depends on, but for what the store holds and the number of threads."""
    digest = hashlib.blake2b(digest_size=16)
    for name in ("run.json", "model.safetensors", *([VOCABULARY] if run.network.bag else [])):
        digest.update((run.folder / name).read_bytes())
    encode = {name: getattr(source.encode, name) for name in ("device", "encoding_batch")}
    return {
        "run": digest.hexdigest(),
        "data": work.digest,
        "rows_per_part": settings.rows_per_part,
        "columns": dict(work.columns),
        "image_folder": str(Path(source.read.image_folder or _own_folder(source.data)).absolute()),
        "allow_outside": source.read.allow_outside,
        "strict": source.read.strict,
        "encoders": {**source.encoder_settings(), **encode},
    }


def _own_folder(data: Any) -> Path:
    """Return what picture files are relative to where no folder is given; a collection knows it by itself."""
    return Path(data).parent if isinstance(data, str | Path) and Path(data).is_file() else Path()


class _Work:
    """Rows of a source, read and encoded part by part."""

    def __init__(self, run: Run, source: Source, settings: StreamSettings, progress: Progress) -> None:
        """Open the source; no row is read yet."""
        self.run, self.source, self.progress, self.size = run, source, progress, settings.rows_per_part
        self.stream: Stream = open_stream(source.data, source.read)
        for note in self.stream.notes:
            progress.say(note)
        self.rows, self.digest = self.stream.rows, self.stream.digest
        self.columns = {name: getattr(self.stream.settings, name) for name in ("image", "text", "id")}
        self.keep = self.rows <= self.size if settings.keep_tokens is None else settings.keep_tokens

    def parts(self, numbers: Collection[int]) -> Generator[_PartRows]:
        """Read and encode the parts of these numbers; the next one is read while one is being encoded."""
        towers = Towers(self.run, self.source.encode, self.progress, self.keep, self.source.read.strict)
        same_encoders(self.run, towers.signatures)
        for part, features in towers.encode(ahead(self._read(numbers))):
            features = read_texts(self.run.network, features)
            yield _PartRows(part.number, features, torch.arange(len(features.ids)), part.examples.troubles)
        if towers.cut:
            limit = towers.text.tower.encoder.max_length
            self.progress.say(f"{towers.cut:,} texts are longer than {limit} tokens and were cut there.")

    def _read(self, numbers: Collection[int]) -> Iterator[Part]:
        for number, piece in self.stream.parts(self.size, set(numbers)):
            examples = load_part(piece, number * self.size, self.run.task, self.run.label_names)
            failures = [trouble for trouble in examples.troubles if trouble.what == "image"]
            if number == 0 and failures and not examples.pictures():  # a wrong folder shall not cost a day
                raise DataError(
                    f"No picture of column {piece.settings.image!r} in the first {piece.frame.height:,} rows could "
                    f"be read; the first: {failures[0].reason}. Is image_folder=… right?"
                )
            yield Part(number, examples)


class _Known:
    """Rows of a known-answer task, which need no encoder."""

    def __init__(self, run: Run, source: Source, settings: StreamSettings) -> None:
        """Make them."""
        self.features = known_rows(run, source)
        self.rows, self.size = len(self.features.ids), settings.rows_per_part
        self.columns: dict[str, str | None] = {}
        self.digest = fingerprint([source.data, source.read.seed])

    def parts(self, numbers: Collection[int]) -> Generator[_PartRows]:
        """Cut out the parts of these numbers."""
        for number in numbers:
            yield _PartRows(number, self.features, torch.arange(self.rows)[number * self.size :][: self.size])
