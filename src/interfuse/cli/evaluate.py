"""`interfuse evaluate`: the metrics of a run on labelled rows."""

import json
from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.training import load_run
from interfuse.workflows import evaluate


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("evaluate")(evaluate_command)


def evaluate_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run: what train wrote, or STUDY/runs/DESIGN/SEED.")],
    data: options.Data,
    rows: Annotated[str, typer.Option("--rows", help="all, or train, validation or test of DATA's split.")] = "all",
    output: Annotated[str, typer.Option("--format", help="table or json, on stdout.")] = "table",
    image: options.Image = None,
    text: options.Text = None,
    label: options.Label = None,
    id: options.Id = None,
    group: options.Group = None,
    image_folder: options.ImageFolder = None,
    allow_outside: options.AllowOutside = False,
    split: options.Split = None,
    validation: options.Validation = None,
    test: options.Test = None,
    hard_negatives: options.HardNegatives = False,
    strict: options.Strict = False,
    store: options.StoreFolder = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
) -> None:
    """Score a run on labelled rows.

    Example: `interfuse evaluate run more_products.csv --image-folder photos`
    """
    source = options.make_source(**locals())
    opened = load_run(run)
    with options.watching() as progress:
        metrics = evaluate(opened, data, source, rows, progress)
    if output == "json":
        typer.echo(json.dumps(dict(metrics), indent=2))
        return
    for name, value in metrics.items():
        typer.echo(f"{name}: {value:,}" if name == "rows" else f"{name}: {value:.4f}")
