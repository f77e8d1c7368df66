"""One piece of work, done by one process or by several that torchrun starts; each writes down what it saw."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import torch
import torch.distributed.run as torchrun
from PIL import Image
from torch.distributed.launcher.api import elastic_launch

from interfuse.core.design import Design
from interfuse.core.records import read_table
from interfuse.data import SourceSettings
from interfuse.training import FinetuneSettings, distributed, loop
from interfuse.workflows import Compute, EncoderSettings, Source, evaluate, finetune_run, predict

READ = SourceSettings(image="photo", text="caption", label="answer", split="part")


def make_rows(folder: Path, train: int = 41) -> Path:
    """Write pictures and a table; the label is whether colour and form go together, and either may be missing."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(train + 24):
        colour, form = rng.integers(2, size=2)
        pixels = rng.integers(0, 60, (40, 40, 3)).astype(np.uint8)
        pixels[8:32, 8:32, 0 if colour else 2] = 230
        Image.fromarray(pixels).save(folder / f"{number}.png")
        part = "train" if number < train else ("validation", "test")[number % 2]
        rows.append(
            {
                "photo": None if number % 9 == 4 else f"{number}.png",
                "caption": None if number % 10 == 5 else ("a red square", "blue squares ?")[form] + " a" * (number % 4),
                "answer": ("no", "yes")[int(colour == form)],
                "part": part,
            }
        )
    pl.DataFrame(rows).write_csv(folder / "rows.csv")
    return folder / "rows.csv"


def make_source(folder: Path, store: str = "store") -> Source:
    encode = EncoderSettings(str(folder / "see"), str(folder / "read"), store=folder / store, encoding_batch=8)
    return Source(str(folder / "rows.csv"), READ, encode)


def make_design(folder: Path, batch: int, **given) -> Design:
    sizes = {"dim": 16, "num_heads": 2, "epochs": 2, "dropout": 0.0, "batch_size": batch}
    encoders = {"image_encoder": str(folder / "see"), "text_encoder": str(folder / "read")}
    return Design("cross_attention", **{**encoders, **sizes, **given})


def work(folder: Path, name: str, batch: int) -> None:
    """Train a frozen run, fine-tune it, predict and evaluate, and write down what this process saw."""
    seen: list[list[int]] = []
    plain = loop.share_epoch

    def share_epoch(features, *given):
        seen.append([])
        for share in plain(features, *given):
            for shown, weight in zip(share.batches, share.weights):
                seen[-1] += [int(features.rows[row]) for row in shown.rows] if weight else []
            yield share

    loop.share_epoch = share_epoch
    try:
        source = make_source(folder, f"store-{name}")
        terms = {"modality_dropout": 0.2, "unimodal_heads": 0.5, "class_weights": "balanced"}
        design = make_design(folder, batch, **terms)
        settings = FinetuneSettings("last-1", 1e-3, 1e-3, epochs=2)
        run = finetune_run(source, folder / name, design, settings, compute=Compute("float32"))
    finally:
        loop.share_epoch = plain
    found = predict(run, source)
    told = {
        "seen": seen,
        "world": list(distributed.world()),
        "rows": found.rows,
        "probs": found.probs.tolist(),
        "metrics": dict(evaluate(run, source, "test")),
        "frozen": losses(folder / f"{name}-frozen"),
        "finetuned": losses(folder / name),
    }
    (folder / f"{name}-{distributed.world().rank}.json").write_text(json.dumps(told))


def losses(run: Path) -> list[list[float]]:
    rows = read_table(run / "history.parquet").to_pylist()
    keys = ("first_loss", "train_loss", "validation_loss", "validation_score")
    return [[row[key] or 0.0 for key in keys] for row in rows]  # the first step's loss is the first epoch's alone


def launch(folder: Path, name: str, batch: int, port: int) -> None:
    """Do the work as torchrun has it done by two processes, forked from this one, which has everything imported."""
    words = ["--nproc-per-node=2", "--start-method=fork", "--master-addr=127.0.0.1", f"--master-port={port}", "-m", "_"]
    config, _, _ = torchrun.config_from_args(torchrun.parse_args(words))
    elastic_launch(config, _share)(folder, name, batch)


def _share(folder: Path, name: str, batch: int) -> None:
    torch.set_num_threads(1)
    work(folder, name, batch)
    distributed.leave()
