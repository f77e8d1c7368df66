"""`interfuse evaluate`: the metrics of a run on labelled rows."""

import json
from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.core.errors import ConfigError
from interfuse.training import load_run
from interfuse.workflows import evaluate


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("evaluate")(evaluate_command)


def evaluate_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run: what train wrote, or STUDY/runs/DESIGN/SEED.")],
    data: options.Data,
    rows: Annotated[str, typer.Option("--rows", help="all, or train, validation or test of DATA's split.")] = "all",
    missing: Annotated[
        list[str] | None,
        typer.Option(help="Take a modality away from a fraction of the rows, as image=0.5; may be given twice."),
    ] = None,
    output: Annotated[str, typer.Option("--format", help="table or json, on stdout.")] = "table",
    image: options.Image = None,
    text: options.Text = None,
    label: options.Label = None,
    id: options.Id = None,
    group: options.Group = None,
    image_folder: options.ImageFolder = None,
    allow_outside: options.AllowOutside = False,
    join: options.Join = None,
    unpack_to: options.UnpackTo = None,
    split: options.Split = None,
    validation: options.Validation = None,
    test: options.Test = None,
    hard_negatives: options.HardNegatives = False,
    strict: options.Strict = False,
    quarantine: options.Quarantine = None,
    store: options.StoreFolder = None,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
) -> None:
    """Score a run on labelled rows.

    Examples:

    - `interfuse evaluate run more_products.csv --image-folder photos`
    - `interfuse evaluate run products.csv --rows test --missing image=0.5`
    """
    source = options.make_source(**locals())
    opened = load_run(run)
    with options.watching() as progress:
        metrics = evaluate(opened, source, rows, progress, read_shares(missing or []), quarantine)
    if output == "json":
        typer.echo(json.dumps(dict(metrics), indent=2))
        return
    for name, value in metrics.items():
        typer.echo(f"{name}: {value:,}" if name == "rows" else f"{name}: {value:.4f}")


def read_shares(words: list[str]) -> dict[str, float]:
    """Read `image=0.5`.

    Raises:
        ConfigError: a word is not of this form.
    """
    shares = {}
    for word in words:
        modality, _, share = word.partition("=")
        try:
            shares[modality] = float(share)
        except ValueError:
            raise ConfigError(f"--missing is image=FRACTION or text=FRACTION, got {word!r}.") from None
    return shares
