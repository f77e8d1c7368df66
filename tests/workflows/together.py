"""One piece of work, done by one process or by several that torchrun started; each writes down what it saw.

python -m torch.distributed.run --nproc-per-node 2 -m tests.workflows.together FOLDER NAME BATCH
"""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from interfuse.core.design import Design
from interfuse.core.records import read_table
from interfuse.data import SourceSettings
from interfuse.training import TrainingOptions, Tuning, distributed, loop
from interfuse.workflows import EncoderSettings, Source, evaluate, finetune_run, predict

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
        tuning = Tuning("last-1", 1e-3, 1e-3, epochs=2)
        run = finetune_run(source, folder / name, design, tuning, terms=(TrainingOptions("float32"), 1))
    finally:
        loop.share_epoch = plain
    found = predict(run, source.data, source)
    told = {
        "seen": seen,
        "world": list(distributed.world()),
        "rows": found.rows,
        "probs": found.probs.tolist(),
        "metrics": dict(evaluate(run, source.data, source, "test")),
        "frozen": losses(folder / f"{name}-frozen"),
        "tuned": losses(folder / name),
    }
    (folder / f"{name}-{distributed.world().rank}.json").write_text(json.dumps(told))


def losses(run: Path) -> list[list[float]]:
    rows = read_table(run / "history.parquet").to_pylist()
    keys = ("first_loss", "train_loss", "validation_loss", "validation_score")
    return [[row[key] or 0.0 for key in keys] for row in rows]  # the first step's loss is the first epoch's alone


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    distributed.leave()
