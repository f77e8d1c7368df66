"""Train the runs of a study, one after another or side by side in processes, each written once when it is done."""

import os
import queue
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch.multiprocessing

from interfuse.core.design import Design
from interfuse.core.devices import limited_threads
from interfuse.core.errors import ConfigError, WorkerError
from interfuse.core.files import read_json, write_json
from interfuse.core.outside import refuse_out_of_files
from interfuse.core.processes import Lifeline, begin_worker, without_interrupts
from interfuse.core.records import PREDICTIONS, write_table
from interfuse.data import Features
from interfuse.evaluation import aggregate_scores, example_scores
from interfuse.fusion import OneKeyAttentionWarning
from interfuse.store import Projection
from interfuse.training import (
    Checkpoint,
    Network,
    Precision,
    Trained,
    distributed,
    fit_linear,
    leftovers,
    measure_costs,
    predict_probs,
    read_texts,
    save_run,
    train,
)
from interfuse.workflows.train.training_set import TrainingSet

Callback = Callable[[int, str], None]
"""Callback of a training: called with the optimiser steps done since the last call, and a note."""
OPTIONAL = ("finetune", "processes")
"""What a run.json says only of a run whose encoders learnt too, or that several processes trained."""
FAILED = "failed.json"
"""What a tuning's training leaves that could not be finished."""


@dataclass(frozen=True)
class Trial:
    """One training of a study: a design, a seed, a fold, and where its run is kept."""

    design: Design
    seed: int
    fold: int
    folder: Path
    tuning: bool = False
    """Whether only its validation score is wanted: weights are not kept, and a failure is an answer."""


@dataclass(frozen=True)
class RunContext:
    """What is equal for all runs of a study."""

    precision: Precision
    threads: int
    """CPU threads of each training; the numbers may depend on it in the last digit, so it is recorded."""
    info: Mapping[str, Any]
    """What every run.json says of the data: task, label_names, encoders, columns, fingerprint, …"""
    projections: Mapping[str, Projection] = field(default_factory=dict)
    """Modality to what its tokens were projected by; every run keeps a copy."""


def is_done(trial: Trial, info: Mapping[str, Any]) -> bool:
    """Whether the trial's run is on disk, made by the same design from the same data."""
    identity = {"design_key": trial.design.key, "fingerprint": info["fingerprint"], "seed": trial.seed}
    identity |= {name: info.get(name) for name in OPTIONAL}
    for path in (trial.folder / "run.json", trial.folder / FAILED):
        if path.is_file():
            record = read_json(path)
            return all(record.get(name) == value for name, value in identity.items())
    return False


def read_failure(trial: Trial) -> str | None:
    """Return the reason why a tuning's training failed, or None."""
    path = trial.folder / FAILED
    return str(read_json(path)["reason"]) if path.is_file() else None


def keep_checkpoint(trial: Trial, context: RunContext) -> Checkpoint:
    """Return the checkpoint that keeps the trial's state between epochs, and all that its numbers depend on."""
    identity = {
        "design_key": trial.design.key,
        "fingerprint": context.info["fingerprint"],
        "seed": trial.seed,
        "fold": trial.fold,
        "precision": context.precision,
        "threads": context.threads,
        "device": context.info["device"],
        "torch": torch.__version__,
        **{name: context.info[name] for name in OPTIONAL if name in context.info},
    }
    return Checkpoint(trial.folder / "checkpoint.safetensors", identity)


def tidy(trial: Trial, context: RunContext) -> None:
    """Remove what a killed process left beside a finished run."""
    keep_checkpoint(trial, context).remove()


def is_unfinished(trial: Trial, context: RunContext) -> bool:
    """Whether the trial's folder holds this very training, cut short, and nothing else."""
    files = set(trial.folder.iterdir()) if trial.folder.is_dir() else set()
    return files <= set(leftovers(trial.folder)) or keep_checkpoint(trial, context).matches()


def run_trial(training_set: TrainingSet, context: RunContext, trial: Trial, on_step: Callback) -> None:
    """Train, score validation and test once, and write the run; a training cut short goes on from its checkpoint.

    Raises:
        ConfigError: the training failed; one of a tuning leaves the reason instead.
    """
    try:
        _run_trial(training_set, context, trial, on_step)
    except ConfigError as error:
        if not trial.tuning:
            raise
        identity = {"design_key": trial.design.key, "fingerprint": context.info["fingerprint"], "seed": trial.seed}
        write_json(trial.folder / FAILED, {**identity, "reason": str(error)})
        keep_checkpoint(trial, context).remove()
        return
    if trial.tuning:
        (trial.folder / "model.safetensors").unlink()


def _run_trial(training_set: TrainingSet, context: RunContext, trial: Trial, on_step: Callback) -> None:
    features, specs = training_set.fold(trial.design, trial.fold)
    checkpoint, device = keep_checkpoint(trial, context), context.info["device"]
    with limited_threads(context.threads):
        if trial.design.linear:
            trained = fit_linear(trial.design, features, specs)
        else:
            trained = train(trial.design, trial.seed, features, specs, context.precision, on_step, device, checkpoint)
        keep_run(trial, context, trained, features)
    if distributed.world().leads:
        checkpoint.remove()
    distributed.wait()


def keep_run(
    trial: Trial,
    context: RunContext,
    trained: Trained,
    features: Features,
    held_out: Features | None = None,
    finetuned: Mapping[str, Path] | None = None,
) -> None:
    """Score validation and test, and write the run; of several processes all score, and one writes.

    Args:
        trial: which run this is.
        context: what its record says.
        trained: the network and its history.
        features: the rows that it was trained on.
        held_out: validation and test on other tokens than training's; none: those of `features`.
        finetuned: modality to the file with the weights of an encoder that learnt too.
    """
    eval_features = read_texts(trained.network, held_out or features)
    predictions, metrics = predict_splits(trained.network, eval_features)
    if not distributed.world().leads:
        return
    costs = measure_costs(trained.network, eval_features, eval_features.splits["validation"], trial.design.batch_size)
    write_table(trial.folder / "predictions.parquet", predictions)
    rows = features.splits["train"]
    info = {
        **context.info,
        "name": trial.design.name,
        "design_key": trial.design.key,
        "seed": trial.seed,
        "fold": trial.fold,
        "parameters": trained.parameters,
        "train_seconds": trained.seconds,
        "train_rows": len(rows),
        "best_epoch": trained.best_epoch,
        **trained.facts,
        "trained_on_missing": {
            name: (trial.design.modality_dropout > 0 and not trial.design.linear) or bool((items[rows] < 0).any())
            for name, items in features.items.named()
        },
        "metrics": metrics,
        **costs,
    }
    save_run(trial.folder, trained.network, trial.design, info, trained.history, context.projections, finetuned)


def predict_splits(network: Network, features: Features) -> tuple[pa.Table, dict[str, dict[str, float]]]:
    """Predict validation and test; return the rows of `predictions.parquet` and the metrics of each split."""
    tables, metrics = [], {}
    for split in ("validation", "test"):
        rows = features.splits[split]
        if len(rows) == 0:
            continue
        probs = predict_probs(network, features, rows).numpy()
        labels = features.labels[rows].numpy()
        scores = example_scores(probs, labels, features.task)
        metrics[split] = aggregate_scores(probs, labels, features.task)
        numbers = features.task == "regression"
        columns = {
            "row": features.rows[rows].tolist(),
            "id": [features.ids[row] for row in rows.tolist()],
            "group": features.groups[rows].tolist(),
            "split": [split] * len(rows),
            "label": [[] if numbers else _classes(label) for label in labels],
            "score": scores.astype(float).tolist(),
            "probs": list(probs.astype(np.float32)),
            "target": labels.astype(float).tolist() if numbers else [None] * len(rows),
        }
        tables.append(pa.table(columns, schema=PREDICTIONS))
    return pa.concat_tables(tables), metrics


def _classes(label: np.ndarray | np.integer) -> list[int]:
    return np.flatnonzero(label).tolist() if label.ndim else [int(label)]


def run_trials(
    training_set: TrainingSet, context: RunContext, trials: Iterable[Trial], jobs: int, on_step: Callback
) -> Iterator[Trial]:
    """Run all trials, at most `jobs` at once, and yield each when its run is on disk."""
    if jobs <= 1:
        for trial in trials:
            run_trial(training_set, context, trial, on_step)
            yield trial
        return
    processes = _process_context()
    messages: Any = processes.Queue()
    stop = threading.Event()
    listener = threading.Thread(target=_listen, args=(messages, stop, on_step), daemon=True)
    listener.start()
    start = Lifeline(), _start, training_set, context, messages, dict(os.environ)
    pool = ProcessPoolExecutor(jobs, mp_context=processes, initializer=begin_worker, initargs=start)
    others = set(torch.multiprocessing.active_children())
    try:
        with without_interrupts():
            futures: dict[Future[None], Trial] = {pool.submit(_work, trial): trial for trial in trials}
        while futures:
            done, _ = wait(futures, return_when=FIRST_COMPLETED)
            for future in done:
                trial = futures.pop(future)
                future.result()
                yield trial
    except (KeyboardInterrupt, GeneratorExit):  # nobody waits for the trainings that go on
        for worker in set(torch.multiprocessing.active_children()) - others:
            worker.terminate()
        raise
    except BrokenProcessPool as error:
        raise WorkerError(
            "A training process ended by itself: it was killed, perhaps for want of memory, or could open no more "
            "files (ulimit -n 4096 allows more). Finished trainings are kept: the same command goes on, with jobs=1 in "
            "one process."
        ) from error
    except Exception as error:
        refuse_out_of_files(error)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        stop.set()
        listener.join()


def _process_context() -> Any:
    """Return how workers are started: forked from a server that imports this library once, else each imports it anew.

    The server is a fresh process: neither threads nor a GPU of this one are in it, so that forking it is safe.
    """
    if "forkserver" not in torch.multiprocessing.get_all_start_methods():
        return torch.multiprocessing.get_context("spawn")
    context = torch.multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # heeded where no server runs yet
    return context


_shared: dict[str, Any] = {}
"""What a worker process was started with."""


def _start(training_set: TrainingSet, context: RunContext, messages: Any, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)  # the server's is from when it was started
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at Ctrl-C the parent ends this worker
    warnings.simplefilter("ignore", OneKeyAttentionWarning)  # the parent, which measures the pace, has said it
    messages.cancel_join_thread()  # a worker that ends does not wait until it is heard
    _shared.update(training_set=training_set, context=context, messages=messages)


def _work(trial: Trial) -> None:
    pending = 0

    def on_step(steps: int, note: str) -> None:
        nonlocal pending
        pending += steps
        if note or pending >= 20:
            _shared["messages"].put((pending, f"{trial.design.name}/{trial.seed} {note}" if note else ""))
            pending = 0

    run_trial(_shared["training_set"], _shared["context"], trial, on_step)
    on_step(0, "done")


def _listen(messages: Any, stop: threading.Event, on_step: Callback) -> None:
    """Pass on what the workers say. What cannot be read or shown is dropped: a worker waits until it is heard."""
    while not stop.is_set():
        try:
            message = messages.get(timeout=0.2)
        except queue.Empty:
            continue
        except Exception:  # what came is broken, or the system gives no more
            stop.wait(0.2)
            continue
        with suppress(Exception):  # a bar that cannot be drawn ends no training
            on_step(*message)
