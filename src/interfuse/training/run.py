"""A run on disk: one trained network and all it needs to predict. Safe to open from a stranger: no pickle."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, DataError, StoreError
from interfuse.core.files import write_atomically, write_json
from interfuse.core.modalities import MODALITIES, Modalities
from interfuse.core.outside import make_folder
from interfuse.core.records import HISTORY, write_table
from interfuse.core.settings import build, to_plain
from interfuse.core.weights import load_tensors, read_tensor_facts, save_tensors
from interfuse.encoders import Bag
from interfuse.settings import check_run
from interfuse.store import Projection, load_projections, save_projections
from interfuse.training.network import ModalitySpec, Network
from interfuse.training.run_record import FORMAT, RUN_FILE, read_run_record
from interfuse.training.stated_size import make_stated

WEIGHTS = "model.safetensors"
NEEDED = ("format", "design", "inputs", "task", "label_names")
"""Entries without which there is no network."""
FINETUNED = {"image": "image_encoder.safetensors", "text": "text_encoder.safetensors"}
"""Weights of the encoders that learnt too, in the runs that have such."""
PROJECTION = "projection.safetensors"
"""What the tokens were projected by, where they were."""
VOCABULARY = "vocabulary.json"
"""The terms of a run that reads texts by TF-IDF, and what each weighs."""


@dataclass(frozen=True)
class Run:
    """One trained network and its record."""

    folder: Path
    design: Design
    network: Network
    """In eval mode, on the CPU."""
    info: Mapping[str, Any]
    """All of run.json: seed, task, label_names, encoders, columns, trained_on_missing, metrics, …"""
    projections: Mapping[str, Projection] = field(default_factory=dict)
    """Modality to what the encoder's tokens are projected by before the network sees them."""
    finetuned: Mapping[str, Path] = field(default_factory=dict)
    """Modality to the file with the weights of an encoder that learnt too."""

    @property
    def task(self) -> str:
        """Task that the head was trained for."""
        return str(self.info["task"])

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return tuple(self.info["label_names"])


def save_run(
    folder: Path,
    network: Network,
    design: Design,
    info: Mapping[str, Any],
    history: list[dict[str, Any]],
    projections: Mapping[str, Projection] | None = None,
    finetuned: Mapping[str, Path] | None = None,
) -> None:
    """Write weights, projections and history, then run.json last: a folder with run.json is a finished run.

    Files of fine-tuned encoders that lie elsewhere are copied.
    """
    make_folder(folder)
    for modality, path in (finetuned or {}).items():
        if path.resolve() != (folder / FINETUNED[modality]).resolve():
            write_atomically(folder / FINETUNED[modality], partial(shutil.copyfile, path))
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    if network.bag is not None:
        write_json(folder / VOCABULARY, network.bag.to_plain())
    save_tensors(folder / WEIGHTS, weights)
    if projections:
        save_projections(folder / PROJECTION, projections)
    write_table(folder / "history.parquet", pa.Table.from_pylist(history, schema=HISTORY))
    inputs = {
        name: {"dim": len(adapter.mean), "grid": getattr(adapter.positions, "grid", None)}
        for name, adapter in (("image", network.image_adapter), ("text", network.text_adapter))
    }
    write_json(folder / "run.json", {"format": FORMAT, "design": to_plain(design), "inputs": inputs, **info})


def load_run(folder: Path | str) -> Run:
    """Open a run.

    Args:
        folder: what `train` wrote, or STUDY/runs/DESIGN/SEED.

    Raises:
        DataError: the folder holds no finished run, or not one that this version reads.
    """
    folder = Path(folder)
    check_run(folder)
    try:
        info = read_run_record(folder, NEEDED)
        design = build(Design, f"{folder / RUN_FILE}: design", info["design"])
        network = _network(folder, design, info)
        projections = _projections(folder, info.get("encoders", {}))
        finetuned = _finetuned(folder, info.get("encoders", {}))
    except (ConfigError, StoreError, KeyError, TypeError, ValueError, RuntimeError, OSError, ArithmeticError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{folder} cannot be opened as a run: {type(error).__name__}: {error}.") from error
    return Run(folder, design, network, info, projections, finetuned)


def _network(folder: Path, design: Design, info: Mapping[str, Any]) -> Network:
    """Make the network and fill it, in eval mode; weights that are no numbers are refused.

    Raises:
        DataError: the weights are another network's, were damaged, or are NaN or infinite.
    """
    path = folder / WEIGHTS
    specs = Modalities(*(_spec(info["inputs"][modality]) for modality in MODALITIES))
    network = make_stated(design, specs, len(info["label_names"]), str(info["task"]), read_tensor_facts(path))
    weights, _ = load_tensors(path)
    for name, value in weights.items():
        if not value.isfinite().all():
            raise DataError(f"{path}: {name} holds NaN or infinite numbers, so that no answer could be trusted.")
    network.load_state_dict(weights)
    if design.model == "tfidf":
        network.bag = Bag.read(folder / VOCABULARY, specs.text.dim)
    return network.eval()


def _finetuned(folder: Path, encoders: Mapping[str, Any]) -> dict[str, Path]:
    """Return the weights of the encoders that learnt too; what they hold is checked when an encoder is opened."""
    paths = {m: folder / FINETUNED[m] for m, signature in encoders.items() if "tuned_from" in signature}
    for modality, path in paths.items():
        if not path.is_file():
            raise DataError(f"{folder}: the {modality} encoder of this run learnt too, and {path.name} is not there.")
    return paths


def _projections(folder: Path, encoders: Mapping[str, Any]) -> dict[str, Projection]:
    """Read the projections that the run's tokens went through; each must be the very one that the record names."""
    digests = {m: signature["projection"]["digest"] for m, signature in encoders.items() if "projection" in signature}
    if not digests:
        return {}
    projections = load_projections(folder / PROJECTION)
    for modality, digest in digests.items():
        if modality not in projections or projections[modality].digest != digest:
            raise DataError(f"{folder / PROJECTION} does not hold the {modality} projection that the run names.")
    return projections


def _spec(inputs: Mapping[str, Any]) -> ModalitySpec:
    dim, grid = int(inputs["dim"]), inputs["grid"]
    return ModalitySpec(dim, tuple(grid) if grid else None, torch.zeros(dim), torch.ones(dim))
