"""Fine-tune: a frozen run's network trained on with its encoders, kept as a run of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from interfuse.core.design import Design, check_idle
from interfuse.core.devices import limited_threads
from interfuse.core.errors import ConfigError
from interfuse.core.progress import Progress, Silent
from interfuse.core.settings import to_plain
from interfuse.data import Examples, Features, Trouble, assemble
from interfuse.encoders import hash_files, save_finetuned
from interfuse.training import (
    FINETUNED,
    FinetuneSettings,
    Precision,
    Run,
    Trained,
    TrainingOptions,
    check_design,
    distributed,
    finetune,
    load_run,
    steps_an_epoch,
)
from interfuse.workflows.encode import Tower, encode_examples, open_tower
from interfuse.workflows.source import FILE, Source, keep_troubles, report_failures
from interfuse.workflows.train.encoder_inputs import PictureTable, TextTable
from interfuse.workflows.train.prepare import Prepared, prepare
from interfuse.workflows.train.runs import RunContext, Trial, is_done, is_unfinished, keep_checkpoint, keep_run
from interfuse.workflows.train.train import train_prepared, with_processes

FROZEN = "-frozen"
"""Ending of the folder of the frozen run, where one is trained first."""


@dataclass(frozen=True)
class Compute:
    """What a run is computed with; its numbers may depend on either in the last digits."""

    precision: Precision = "auto"
    """Of the training step; evaluation is always float32."""
    threads: int = 1
    """CPU threads."""


def finetune_run(
    source: Source,
    out: Path,
    start: Design | Path,
    settings: FinetuneSettings,
    seed: int = 0,
    compute: Compute = Compute(),
    progress: Progress | None = None,
) -> Run:
    """Train a frozen run on with its encoders learning too, score validation and test once, and return the run.

    The run keeps the weights that learnt beside the network; every workflow then opens its encoders with them, and the
    token store keeps their tokens apart from the encoders' own.

    Args:
        source: the rows.
        out: folder of the run.
        start: the folder of a frozen run on these very rows; or a design, whose frozen run is trained first and kept
            in the folder beside `out` whose name ends in `-frozen`.
        settings: what learns, and how.
        seed: of this run; a frozen run that is trained first has the same.
        compute: number format and CPU threads.
        progress: told how far it is.

    Raises:
        ConfigError: what is asked for cannot work, the memory does not hold it, or `out` holds another run.
        DataError: the rows cannot be used.
    """
    watcher = progress or Silent()
    distributed.join(source.encode.device)
    if source.is_known:
        raise ConfigError("A known-answer task has tokens and no encoders: leave unfreeze=… out.")
    if isinstance(start, Design):
        if start.linear:
            raise ConfigError(
                f"{start.name} is a linear model of features: no encoder learns with it. Leave it frozen."
            )
        check_idle([start])
        check_design(start)
    prepared = prepare(source, watcher)
    if isinstance(start, Path):
        frozen = _open_start(start, prepared)
        watcher.say(f"Starting from {start}: {frozen.design.name}.")
    else:
        first = Trial(start, seed, 0, out.with_name(out.name + FROZEN))
        watcher.say(f"The frozen run first: {first.folder}.")
        frozen = train_prepared(prepared, first, compute.precision, compute.threads, watcher)
    trial = Trial(frozen.design, seed, 0, out)
    origin = {"design_key": frozen.design.key, "seed": frozen.info["seed"], "weights": _hash_head(frozen)}
    info = {**with_processes(prepared.info), "finetune": {**to_plain(settings), "started_from": origin}}
    context = RunContext(compute.precision, compute.threads, info, frozen.projections)
    if is_done(trial, info):
        watcher.say(f"{out} holds this very run already: nothing to train.")
        return load_run(out)
    if not is_unfinished(trial, context):
        raise ConfigError(f"{out} is not empty and does not hold this run. Give another out=….")
    with limited_threads(compute.threads):
        troubles = _finetune(source, prepared, frozen, settings, trial, context, watcher)
    keep_troubles(troubles, out / FILE, watcher)
    return load_run(out)


def _finetune(
    source: Source,
    prepared: Prepared,
    frozen: Run,
    settings: FinetuneSettings,
    trial: Trial,
    context: RunContext,
    watcher: Progress,
) -> tuple[Trouble, ...]:
    """Train, keep what learnt, and keep the run, scored on tokens of the encoders as they are now.

    Returns:
        Every row in trouble, those too of which only the encoders that learnt make nothing.
    """
    towers = open_towers(source, settings.modalities, frozen)
    encoders = {modality: tower.encoder for modality, tower in towers.items()}
    features = raw_features(prepared, towers)
    checkpoint = keep_checkpoint(trial, context)
    design = settings.of(frozen.design)
    steps = steps_an_epoch(len(features.splits["train"]), design.batch_size, settings.accumulate) * design.epochs
    watcher.start("fine-tune", steps, "steps")
    options = TrainingOptions(
        context.precision, source.encode.device, lambda n, note: watcher.advance("fine-tune", n, note), checkpoint
    )
    trained = finetune(frozen.network, encoders, settings, frozen.design, trial.seed, features, options)
    watcher.finish("fine-tune")
    files = {modality: trial.folder / FINETUNED[modality] for modality in encoders}
    if distributed.world().leads:
        for modality, path in files.items():
            save_finetuned(encoders[modality].network, path)
    distributed.wait()
    troubles = _score(source, prepared, trained, files, trial, context, watcher)
    if distributed.world().leads:
        checkpoint.remove()
    distributed.wait()
    return troubles


def _score(
    source: Source,
    prepared: Prepared,
    trained: Trained,
    files: Mapping[str, Path],
    trial: Trial,
    context: RunContext,
    watcher: Progress,
) -> tuple[Trouble, ...]:
    """Encode validation and test as prediction will, and keep the run with the encoders' new signatures."""
    assert prepared.examples is not None
    held_out = held_out_rows(prepared.examples)
    encoded = encode_examples(held_out, replace(source.encode, finetuned=files), watcher, context.projections)
    left = encoded.without_failures(held_out, source.read.strict)
    report_failures(held_out, left, watcher)
    tokens = assemble(left, encoded.image, encoded.image_index, encoded.text, encoded.text_index)
    context = replace(context, info={**context.info, "encoders": dict(encoded.signatures)})
    keep_run(trial, context, trained, prepared.features, tokens, files)
    return left.troubles


def open_towers(source: Source, modalities: tuple[str, ...], run: Run) -> dict[str, Tower]:
    """Open the encoders that shall learn, in float32 on the CPU, projected as the run's tokens are."""
    settings = replace(source.encode, device="cpu")
    return {
        modality: open_tower(modality, settings, projection=run.projections.get(modality), dtype="float32")
        for modality in modalities
    }


def raw_features(prepared: Prepared, towers: Mapping[str, Tower]) -> Features:
    """Return the rows with pixels and token numbers instead of tokens, where the encoder learns."""
    assert prepared.examples is not None
    features = prepared.features
    tables: dict[str, Any] = {}
    if "image" in towers:
        image = towers["image"]
        openers = [partial(image.open_picture, path) for path in prepared.examples.pictures().values()]
        tables["image"] = PictureTable(image.encoder, openers)
    if "text" in towers:
        tables["text"] = TextTable(towers["text"].encoder, prepared.examples.texts())
    for modality, table in tables.items():
        assert len(table) == len(getattr(features, modality))
    return replace(features, splits=prepared.folds[0], **tables)


def held_out_rows(examples: Examples) -> Examples:
    """Keep the rows that are not trained on."""
    return replace(examples, table=examples.table.filter(pc.not_equal(examples.table["split"], "train")))


def _open_start(folder: Path, prepared: Prepared) -> Run:
    """Open the run to start from; its rows must be these, or rows kept back now may have been trained on.

    Raises:
        ConfigError: it was trained on other rows, another split or other tokens, or was fine-tuned itself.
        DataError: the folder holds no run.
    """
    run = load_run(folder)
    if run.finetuned:
        raise ConfigError(f"{folder} was fine-tuned itself: start_from=… takes a run with frozen encoders.")
    if run.info["fingerprint"] != prepared.info["fingerprint"]:
        raise ConfigError(
            f"{folder} was trained on other rows, another split or other tokens, so that its training rows may be "
            "among those kept back now. Give the same DATA, split, seed=… and encoders as it was trained with, "
            "or leave start_from=… out: the frozen run is then trained first."
        )
    return run


def _hash_head(run: Run) -> str:
    return hash_files((run.folder / "model.safetensors",))
