"""`interfuse predict`: a run on new rows."""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.training import load_run
from interfuse.workflows import predict


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("predict")(predict_command)


def predict_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run: what train wrote, or STUDY/runs/DESIGN/SEED.")],
    data: options.Data,
    out: Annotated[Path, typer.Option(help="Where to write: .csv or .parquet.")] = Path("predictions.parquet"),
    image: options.Image = None,
    text: options.Text = None,
    id: options.Id = None,
    image_folder: options.ImageFolder = None,
    allow_outside: options.AllowOutside = False,
    join: options.Join = None,
    unpack_to: options.UnpackTo = None,
    strict: options.Strict = False,
    store: options.StoreFolder = None,
    device: options.Device = "cpu",
) -> None:
    """Predict every row of DATA: its label and the probability of each class. A row may lack its picture or its text.

    Example: `interfuse predict run new_products.csv --image-folder photos --out predictions.csv`
    """
    source = options.make_source(**{**locals(), "data": data})
    opened = load_run(run)
    with options.watching() as progress:
        predictions = predict(opened, data, source, progress)
    predictions.write(out)
    typer.echo(f"{len(predictions.ids):,} rows: {out}")
