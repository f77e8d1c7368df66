r"""Whether fine-tuning pays: a frozen run against runs whose encoders learn too, on few questions of easy-VQA.

    OMP_NUM_THREADS=1 python benchmarks/finetuning.py    # some two minutes of one quiet core
    OMP_NUM_THREADS=1 python benchmarks/finetuning.py --size 96 --finetune-epochs 4 --encoder-learning-rate 1e-4 \
        --unfreeze last-1 last-2

Draws questions of the package's train pictures (validation: a tenth, by picture) and of its test pictures, trains one
frozen run, starts each fine-tuning from it, and prints the test accuracy, the difference paired by test question with
its 95 % interval over questions (one seed), and the seconds of training.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from interfuse.core.design import Design
from interfuse.core.records import read_table
from interfuse.data import SourceSettings
from interfuse.data.readers.easy_vqa import read_easy_vqa
from interfuse.training import FinetuneSettings, Run
from interfuse.workflows import EncoderSettings, Source, finetune_run, train_run


def draw(train: int, test: int, seed: int) -> pl.DataFrame:
    """Draw questions; every tenth picture of train is for validation."""
    rows = read_easy_vqa().sample(fraction=1.0, shuffle=True, seed=seed)
    held = pl.col("image").hash(0) % 10 == 0
    parts = [
        rows.filter((pl.col("split") == "train") & ~held).head(train),
        rows.filter((pl.col("split") == "train") & held).head(train // 4).with_columns(split=pl.lit("validation")),
        rows.filter(pl.col("split") == "test").head(test),
    ]
    return pl.concat(parts)


def scores(run: Run) -> np.ndarray:
    """Return the score of each test question."""
    found = pl.from_arrow(read_table(run.folder / "predictions.parquet"))
    assert isinstance(found, pl.DataFrame)
    return found.filter(pl.col("split") == "test").sort("row")["score"].to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--unfreeze", nargs="+", default=["last-2"])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--finetune-epochs", type=int, default=6)
    parser.add_argument("--encoder-learning-rate", type=float, default=5e-4)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        read = SourceSettings(image="image", text="text", label="label", split="split", allow_outside=True)
        source = Source(
            draw(given.train, given.test, given.seed),
            read,
            EncoderSettings(image_size=given.size, store=folder / "store"),
        )
        design = Design("cross_attention", image_size=given.size, epochs=given.epochs, batch_size=32)
        frozen = train_run(source, folder / "frozen", design, given.seed)
        base = scores(frozen)
        print(
            "| run | values that learn | test accuracy | difference, points [95 %] | seconds |\n|---|--:|--:|---|--:|"
        )
        seconds = frozen.info["train_seconds"]
        print(f"| frozen | {frozen.info['parameters']:,} | {100 * base.mean():.1f} | – | {seconds:.0f} |", flush=True)
        for what in given.unfreeze:
            start = time.perf_counter()
            settings = FinetuneSettings(what, given.encoder_learning_rate, 3e-4, given.finetune_epochs)
            run = finetune_run(source, folder / what, frozen.folder, settings, given.seed)
            own = 100 * (scores(run) - base)
            half = 1.96 * own.std(ddof=1) / len(own) ** 0.5
            told = f"{own.mean():+.1f} [{own.mean() - half:+.1f}, {own.mean() + half:+.1f}]"
            taken = time.perf_counter() - start
            print(
                f"| {what} | {run.info['parameters']:,} | {100 * scores(run).mean():.1f} | {told} | {taken:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
