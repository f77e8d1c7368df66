"""Export a run to ONNX or torch: written only where it gives the run's own answers, at sizes that were not traced."""

import glob
import io
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor, nn

from interfuse.core.errors import ExportError, require
from interfuse.core.files import write_json
from interfuse.core.outside import make_folder, writing
from interfuse.core.processes import is_running
from interfuse.core.progress import Progress, Silent
from interfuse.encoders import KINDS
from interfuse.settings import ExportFormat
from interfuse.training import Run
from interfuse.workflows.encode import open_tower
from interfuse.workflows.export.graphs import HeadGraph, WholeGraph
from interfuse.workflows.export.parity import Case, head_cases, largest_difference, whole_cases
from interfuse.workflows.source import encoders_of

Predictor = Callable[[Mapping[str, Tensor]], Tensor]
TOLERANCE = 1e-4
"""Largest difference of a probability, float32; for a regression, relative to the largest number."""
FILES: Mapping[str, str] = {"onnx": "model.onnx", "torch": "model.pt2"}


@dataclass(frozen=True)
class Exported:
    """What was written, and how well it agrees."""

    folder: Path
    file: Path
    differences: Mapping[str, float]
    """Inputs (full, padded, no image, no text, neither) to the largest difference from the run, over several sizes."""

    @property
    def largest(self) -> float:
        """Largest difference of all."""
        return max(self.differences.values())


def export_run(
    run: Run, out: Path, format: ExportFormat = "onnx", whole: bool = False, progress: Progress | None = None
) -> Exported:
    """Write a run's model with its label names and preprocessing, once it has been held to the run.

    The head takes tokens; a whole model takes pixels and token numbers, with the encoders inside, in float32. Batch,
    numbers of tokens and number of pictures are free.

    Args:
        run: what is exported.
        out: a folder that is empty or not there.
        format: onnx, or torch (`torch.export`).
        whole: encoders, adapters, fusion and head instead of adapters, fusion and head.
        progress: told what happens.

    Raises:
        ExportError: the model differs from the run by more than `TOLERANCE`, cannot be traced, or is not exportable.
        ExtraMissingError: the extra `export` is not installed.
    """
    watcher = progress or Silent()
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} is not empty. Give another folder.")
    if format == "onnx":
        for module in ("onnx", "onnxscript", "onnxruntime"):
            require(module, "export")
        if not run.network.fusion.exportable:
            raise ExportError(f"{run.design.fusion} cannot be exported to ONNX. Give format=torch.")
    graph, cases, config = _whole(run) if whole else _head(run)
    watcher.say(f"Tracing {'the whole model' if whole else 'the head'} of {run.folder}.")
    remove_leftovers(out)
    part = out.with_name(f".{out.name}.{os.getpid()}.{uuid4().hex}.tmp")
    make_folder(part)
    try:
        with writing(out):
            (_write_onnx if format == "onnx" else _write_torch)(graph, part / FILES[format])
        differences = compare_with(graph, open_exported(part / FILES[format]), cases)
        _refuse(differences)
        write_json(part / "model.json", {**_describe(run), **config, "file": FILES[format], "difference": differences})
        if whole:
            tokenizer = graph.text_encoder.tokenizer.backend_tokenizer
            tokenizer.no_padding()
            with writing(out):
                tokenizer.save(str(part / "tokenizer.json"))
        if run.network.bag is not None:
            write_json(part / "vocabulary.json", run.network.bag.to_plain())
        with writing(out):
            if format == "onnx":
                shutil.copyfile(Path(__file__).with_name("runtime.py"), part / "predict.py")
            if out.exists():
                out.rmdir()
            part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Exported(out, out / FILES[format], differences)


def remove_leftovers(out: Path) -> None:
    """Remove what an export to this folder left that was killed while it wrote."""
    for folder in out.parent.glob(f".{glob.escape(out.name)}.*.tmp"):
        writer = folder.name.split(".")[-3]
        if not (writer.isdigit() and is_running(int(writer))):
            shutil.rmtree(folder, ignore_errors=True)


def compare_with(graph: nn.Module, predict: Predictor, cases: list[Case]) -> dict[str, float]:
    """Return the largest difference for each kind of input."""
    differences: dict[str, float] = {}
    for kind, feed in cases:
        with torch.inference_mode(), quiet():
            expected = graph(*feed.values())
            difference = largest_difference(predict(feed), expected)
        if not difference <= differences.get(kind, 0.0):  # NaN stays
            differences[kind] = difference
        differences.setdefault(kind, 0.0)
    return differences


def open_exported(path: Path) -> Predictor:
    """Open what was written, in the engine that will run it."""
    if path.suffix == ".pt2":
        program = torch.export.load(path).module()
        return lambda feed: program(*feed.values())
    session = require("onnxruntime", "export").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda feed: torch.from_numpy(session.run(None, {name: x.numpy() for name, x in feed.items()})[0])


def _head(run: Run) -> tuple[Any, list[Case], dict[str, Any]]:
    if run.projections and run.network.bag is None:
        raise ExportError(
            "This run was trained with store_dim=…: its head takes projected tokens, which no encoder gives. "
            "Export the whole model, with whole=True."
        )
    adapters = run.network.image_adapter, run.network.text_adapter
    config = {"whole": False, "encoders": run.info["encoders"], "dims": [len(adapter.mean) for adapter in adapters]}
    if run.network.bag is not None:
        lengths = {kind: list(KINDS[kind]["ngram_range"]) for kind in run.network.bag.terms}
        config["bag"] = {"sees_image": "image" in run.network.fusion.modalities, **lengths}
    return HeadGraph(run.network, run.task).eval(), head_cases(run.network), config


def _whole(run: Run) -> tuple[Any, list[Case], dict[str, Any]]:
    encoders = run.info["encoder_settings"]
    if run.network.bag is not None:
        raise ExportError(
            "This run reads texts by TF-IDF, and no graph does that: export it without whole=True. The predict.py "
            "beside the model reads texts by its vocabulary.json."
        )
    if encoders["image_encoder"] == "known":
        raise ExportError("A known-answer task has tokens and no encoders: export the head alone, without whole=True.")
    settings = encoders_of(run.info)
    towers = {
        modality: open_tower(modality, settings, run.finetuned.get(modality), run.projections.get(modality), "float32")
        for modality in ("image", "text")
    }
    for modality, tower in towers.items():
        trained, now = run.info["encoders"][modality], tower.signature
        if {**trained, "dtype": ""} != {**now, "dtype": ""}:  # the number format does not change the model
            raise ExportError(f"The run was trained on {modality} tokens of {trained}, but the encoder here is {now}.")
    image, text = (tower.encoder for tower in towers.values())
    tokenizer = text.tokenizer
    if not getattr(tokenizer, "is_fast", False):
        raise ExportError(f"The tokenizer of {encoders['text_encoder']} has no tokenizer.json: export the head alone.")
    values = {name: getattr(image, name).flatten().tolist() for name in ("mean", "std")}
    config = {
        "whole": True,
        "image": {"size": image.size, "factor": image.factor, **values},
        "text": {"max_length": text.max_length, "pad": tokenizer.pad_token_id or 0, "filler": text._filler},
    }
    graph = WholeGraph(image, text, run.network, run.task).eval()
    return graph, whole_cases(graph, config), config


def _describe(run: Run) -> dict[str, Any]:
    return {"format": 1, "task": run.task, "label_names": list(run.label_names), "design": run.design.name}


def _refuse(differences: Mapping[str, float]) -> None:
    """Refuse a model that does not agree; NaN does not."""
    if all(value <= TOLERANCE for value in differences.values()):
        return
    gaps = ", ".join(f"{kind} {value:.1e}" for kind, value in differences.items())
    raise ExportError(
        f"The exported model does not give the run's own answers: largest difference {gaps}, where {TOLERANCE:.0e} is "
        "allowed. Nothing was written. Fix: format=torch, and please report the mechanism."
    )


def _write_onnx(graph: Any, path: Path) -> None:
    with quiet():
        program = torch.onnx.export(
            graph,
            tuple(graph.example().values()),
            dynamo=True,
            verbose=False,
            input_names=list(graph.example()),
            output_names=["probs"],
            dynamic_shapes=graph.shapes(),
        )
        assert program is not None
        for node in program.model.graph:  # the metadata name the folders of this machine
            node.metadata_props.clear()
        program.save(path)


def _write_torch(graph: Any, path: Path) -> None:
    with quiet():
        example = tuple(graph.example().values())
        program = torch.export.export(graph, example, dynamic_shapes=graph.shapes(), strict=False)
        for node in program.graph.nodes:
            node.meta.pop("stack_trace", None)  # it names the folders of this machine
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
    path.write_bytes(buffer.getvalue())  # torch's own writer ends the process where the disk is full


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporter's own chatter off the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
