"""`interfuse demo`: the original's designs on easy-VQA, packaged encoders, nothing downloaded from a hub."""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.compare import show
from interfuse.workflows import CompareSettings, compare

BASE = {"epochs": 3, "batch_size": 128, "dropout": 0.0, "learning_rate": 1e-3}
TRAIN_ROWS = 20_000
SEEDS = 3


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the study.")] = Path("demo-study"),
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each design.")] = SEEDS,
    train_rows: Annotated[int, typer.Option(min=1, help="Train questions to use, of 34,700.")] = TRAIN_ROWS,
    store: options.StoreFolder = None,
    output: Annotated[str, typer.Option("--format", help="table or json, on stdout.")] = "table",
) -> None:
    """Run the original's comparison on easy-VQA: early fusion against cross-attention, with the floors beside them.

    Pictures at 96 pixels, packaged encoders, 3 epochs; about five minutes on two cores.

    Example: `interfuse demo --out demo-study`
    """
    source = options.make_source("easy-vqa", image_size=96, store=store)
    settings = CompareSettings(base=BASE, seeds=seeds, train_rows=train_rows)
    with options.watching() as progress:
        study = compare(source, out, settings, progress)
    show(study, output)
