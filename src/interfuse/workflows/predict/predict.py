"""Use a run on new rows: probabilities for each, either modality missing or not; metrics where there are labels."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from interfuse.core.errors import ConfigError, DataError, unknown
from interfuse.core.files import write_atomically
from interfuse.core.modalities import MODALITIES, Modalities
from interfuse.core.progress import Progress, Silent
from interfuse.core.seeds import generator
from interfuse.core.tokens import TokenTable
from interfuse.data import Examples, Features, assemble, load_for_run, make_known, neutral_cells
from interfuse.evaluation import aggregate_scores
from interfuse.training import Run, distributed, predict_probs, read_texts
from interfuse.workflows.encode import encode_examples
from interfuse.workflows.source import Source, encoders_of, keep_troubles, read_as_trained, split_again


@dataclass(frozen=True)
class Predictions:
    """Probabilities of rows, in the rows' order."""

    rows: list[int]
    ids: list[str]
    probs: np.ndarray
    """(rows, classes), float32; for regression the numbers, (rows, 1)."""
    label_names: tuple[str, ...]
    task: str

    def frame(self) -> pl.DataFrame:
        """Return a table: row, id, label (several joined by | for multilabel), a probability column a class.

        For regression: row, id and the predicted number.
        """
        kinds = {"row": pl.Int64(), "id": pl.String(), "label": pl.String()}  # also where there is no row
        if self.task == "regression":
            numbers = {"row": self.rows, "id": self.ids, "prediction": self.probs[:, 0]}
            return pl.DataFrame(numbers, schema_overrides=kinds)
        if self.task == "multilabel":
            labels = ["|".join(self.label_names[i] for i in np.flatnonzero(p >= 0.5)) for p in self.probs]
        else:
            labels = [self.label_names[i] for i in self.probs.argmax(1)] if len(self.probs) else []
        columns: dict[str, Any] = {"row": self.rows, "id": self.ids, "label": labels}
        columns |= {f"prob_{name}": self.probs[:, i] for i, name in enumerate(self.label_names)}
        return pl.DataFrame(columns, schema_overrides=kinds)

    def write(self, path: Path | str) -> None:
        """Write CSV or Parquet; of several processes, which all have all rows, one writes.

        Args:
            path: ends in .csv or .parquet. In CSV a text that a spreadsheet would take for a formula has a ' before it.

        Raises:
            DataError: it ends otherwise.
        """
        if not distributed.world().leads:
            return
        frame, path = self.frame(), Path(path)
        if path.suffix == ".csv":
            write_atomically(path, lambda temporary: neutral_cells(frame).write_csv(temporary))
        elif path.suffix == ".parquet":
            write_atomically(path, lambda temporary: frame.write_parquet(temporary))
        else:
            raise DataError(f"Predictions end in .csv or .parquet, got {path.name!r}.")


def source_of(run: Run, source: Source) -> Source:
    """Return the source read as the run was trained: by its encoders, and by its columns unless others are given.

    Raises:
        ConfigError: the rows are of a known-answer task and the run was not trained for one, or the other way round.
    """
    encoders = run.info["encoder_settings"]
    if (encoders["image_encoder"] == "known") != source.is_known:
        raise ConfigError(_other_kind(run, source))
    if source.is_known:
        return source
    encode = encoders_of(run.info, source.encode, finetuned=run.finetuned)
    return replace(source, read=read_as_trained(run.info, source.read), encode=encode)


def known_rows(run: Run, source: Source) -> Features:
    """Make the rows of the known-answer task that the run was trained for.

    Raises:
        ConfigError: the run was trained for another one, or the settings are of no use to it.
        DataError: the task is not known.
    """
    source.check_known()
    known = run.info.get("known")  # a run of an older version does not say it: its tokens and classes then tell
    features = make_known(source.data, source.read.seed)
    fits = all(_fits(run.info["inputs"][modality], table) for modality, table in features.tables.named())
    if known not in (None, source.data) or not fits or run.label_names != features.label_names:
        classes = ", ".join(run.label_names)
        raise ConfigError(
            f"The run was trained for {known or 'another known-answer task'} (classes {classes}), got {source.data}: "
            f"its tokens and classes mean something else. Give {known or 'that task'}; another seed=… makes new rows."
        )
    return features


def _fits(inputs: Mapping[str, Any], table: TokenTable) -> bool:
    """Whether the tokens are of the width and grid that the run's record names; a run that pools names no grid."""
    grid = inputs["grid"]
    return inputs["dim"] == table.dim and (grid is None or (table.grid is not None and tuple(grid) == table.grid))


def _other_kind(run: Run, source: Source) -> str:
    """Return why the run cannot read these rows: it has its tokens from elsewhere."""
    if source.is_known:
        names = run.info["encoder_settings"]
        return (
            f"The run was trained on rows seen by {names['image_encoder']} and {names['text_encoder']}, and the tokens "
            f"of {source.data} are made without them. Give rows of pictures and texts."
        )
    name = source.data if isinstance(source.data, str | Path) else "a data frame"
    return (
        f"The run was trained for {run.info.get('known') or 'a known-answer task'}, whose tokens no encoder makes, got "
        f"{name}. Give {run.info.get('known') or 'that task, such as known:xor'}."
    )


def predict(run: Run, source: Source, progress: Progress | None = None) -> Predictions:
    """Predict every row of the source; no label is needed, and either modality may be missing.

    Raises:
        DataError: the rows cannot be read, or their tokens are not those the run was trained on.
    """
    watcher = progress or Silent()
    distributed.join(source.encode.device)
    features, _ = read_for_run(run, source, watcher, labelled=False)
    warn_of_missing(run, features, watcher)
    rows = torch.arange(len(features.ids))
    probs = answer_rows(run, features, rows)
    return Predictions(features.rows.tolist(), list(features.ids), probs, run.label_names, run.task)


def evaluate(
    run: Run,
    source: Source,
    split: str,
    progress: Progress | None = None,
    missing: Mapping[str, float] | None = None,
    quarantine: Path | None = None,
) -> Mapping[str, int | float]:
    """Score the run on the rows of one split of the source (or on `all` rows).

    Args:
        run: the trained network.
        source: the rows, and how they are read; its seed draws which rows go without a modality.
        split: train, validation, test, or all.
        progress: told how far it is.
        missing: modality to the fraction of these rows that go without it, such as `{"image": 0.5}`; with one seed the
            rows of a smaller fraction are among those of a larger one.
        quarantine: CSV file for the rows in trouble; none: they are only said.

    Raises:
        DataError: the rows cannot be read, hold a label that the run does not know, or have no such split.
        ConfigError: a modality is not known, or its fraction is not from 0 to 1.
    """
    watcher = progress or Silent()
    for modality, share in (missing or {}).items():
        if modality not in MODALITIES:
            raise ConfigError(unknown("modality", modality, MODALITIES))
        if not 0 <= share <= 1:
            raise ConfigError(f"The fraction of rows that go without {modality} is from 0 to 1, got {share:g}.")
    distributed.join(source.encode.device)
    features, examples = read_for_run(run, source, watcher, labelled=True, split=split)
    if examples and quarantine:
        keep_troubles(examples.troubles, quarantine, watcher)
    rows = torch.arange(len(features.ids)) if split == "all" else features.splits.get(split, torch.arange(0))
    names = [name for name, part in features.splits.items() if len(part)]
    if len(rows) == 0:
        raise DataError(f"There is no row in split {split!r}. DATA has: {', '.join(names)}.")
    features = without(features, rows, missing or {}, source.read.seed)
    warn_of_missing(run, features, watcher)
    probs = answer_rows(run, features, rows)
    return {"rows": len(rows), **aggregate_scores(probs, features.labels[rows].numpy(), run.task)}


def answer_rows(run: Run, features: Features, rows: torch.Tensor) -> np.ndarray:
    """Return the run's answers to these rows, (rows, classes), float32.

    Raises:
        DataError: an answer is NaN or infinite.
    """
    probs = predict_probs(run.network, features, rows).numpy()
    bad = np.flatnonzero(~np.isfinite(probs).all(1))
    if len(bad):
        row = int(features.rows[rows[bad[0]]])
        raise DataError(
            f"{run.folder} answers NaN or infinite numbers to {len(bad):,} of {len(probs):,} rows, first row {row}: "
            "its weights are of no use. Train it again with a lower learning_rate, or take it from a copy."
        )
    return probs


def without(features: Features, rows: torch.Tensor, missing: Mapping[str, float], seed: int) -> Features:
    """Take a modality away from a fraction of these rows, drawn by the seed."""
    items = Modalities(*(items.clone() for items in features.items))
    for modality, share in missing.items():
        order = rows[torch.randperm(len(rows), generator=generator(seed, "missing", modality))]
        items.of(modality)[order[: round(share * len(rows))]] = -1
    return replace(features, image_items=items.image, text_items=items.text)


def warn_of_missing(run: Run, features: Features, progress: Progress) -> None:
    """Warn where rows miss a modality that the run never trained without."""
    warn_of_counts(run, {modality: int((items < 0).sum()) for modality, items in features.items.named()}, progress)


def warn_of_counts(run: Run, missing: Mapping[str, int], progress: Progress) -> None:
    """Warn where so many rows miss a modality that the run never trained without."""
    for modality, count in missing.items():
        if count and not run.info["trained_on_missing"][modality]:
            progress.say(
                f"warning: {count:,} rows have no {modality}, and this run never trained on rows without one: its "
                "absent token is untrained, so take their probabilities with care. "
                "Fix: train with modality_dropout=0.1."
            )


def read_for_run(
    run: Run, source: Source, progress: Progress, labelled: bool, split: str = "all", may_lack: bool = True
) -> tuple[Features, Examples | None]:
    """Read all rows as the run was trained, and encode what the store does not hold; no examples where all is made up.

    Where a split is asked for and the rows have none, the one that training made is made again. Rows of which not one
    has a picture, or a text, are taken too where they `may_lack` it.

    Raises:
        DataError: the rows cannot be read, or their tokens are not those the run was trained on.
        ConfigError: the rows are of a known-answer task that the run was not trained for, or the other way round.
    """
    source = source_of(run, source)
    if source.is_known:
        return known_rows(run, source), None
    examples = load_for_run(source.data, source.read, run.task, run.label_names, labelled, may_lack)
    if split in ("train", "validation", "test") and set(examples.table["split"].unique().to_pylist()) == {"all"}:
        examples = split_again(run.info, source, split)
    for note in examples.notes:
        progress.say(note)
    encoded = encode_examples(examples, source.encode, progress, run.projections)
    same_encoders(run, encoded.signatures)
    examples = encoded.without_failures(examples, source.read.strict)
    for trouble in examples.troubles:
        progress.say(f"Row {trouble.row} ({trouble.id}): {trouble.reason}; {trouble.consequence}.")
    features = assemble(examples, encoded.image, encoded.image_index, encoded.text, encoded.text_index)
    return read_texts(run.network, features), examples


def same_encoders(run: Run, signatures: Mapping[str, Any]) -> None:
    """Refuse encoders other than those the run was trained with."""
    for modality, trained in run.info["encoders"].items():
        if dict(signatures.get(modality, {})) != dict(trained):
            raise DataError(
                f"The run was trained on {modality} tokens of {trained}, but this encoder gives "
                f"{dict(signatures.get(modality, {}))}. Use the same encoder, weights and image size."
            )
