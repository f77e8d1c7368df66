"""`interfuse demo`: the original's designs on easy-VQA, packaged encoders, nothing downloaded from a hub."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.settings import Field, Fields, takes_settings
from interfuse.settings import CompareSettings, EncoderSettings

BASE = {"epochs": 3, "batch_size": 128, "dropout": 0.0, "learning_rate": 1e-3}
TRAIN_ROWS = 20_000
SEEDS = 3


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("demo")(demo)


@takes_settings
def demo(
    encode: Annotated[EncoderSettings, Fields(EncoderSettings, only=("store",), **options.ENCODE)],
    out: Annotated[Path, options.out("Folder of the study.")] = Path("demo-study"),
    seeds: Annotated[int, Field(CompareSettings)] = SEEDS,
    train_rows: Annotated[int, Field(CompareSettings)] = TRAIN_ROWS,
    format: options.Format = "text",
) -> None:
    """Run the original's comparison on easy-VQA: early fusion against cross-attention, with the floors beside them.

    Pictures at 96 pixels, packaged encoders, 3 epochs, 20,000 of the 34,700 train questions; about five minutes on two
    cores.

    Example: `interfuse demo --out demo-study`
    """
    from interfuse.cli.results import show
    from interfuse.workflows import compare
    from interfuse.workflows.source import Source

    source = Source("easy-vqa", encode=replace(encode, image_size=96))
    settings = CompareSettings(base=BASE, seeds=seeds, train_rows=train_rows)
    with options.watching() as progress:
        study = compare(source, out, settings, progress)
    show(study, format)
