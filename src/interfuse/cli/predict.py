"""`interfuse predict`: a run on new rows."""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.core.errors import ConfigError
from interfuse.training import launched, load_run
from interfuse.workflows import Portion, StreamSettings, predict_stream
from interfuse.workflows.predict import ROWS_PER_PART, PredictTask, predict_on_workers


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
    keep_tokens: Annotated[
        bool | None,
        typer.Option(
            "--keep-tokens/--no-keep-tokens",
            help="Write new tokens to the store (default: only where all rows are one part).",
            rich_help_panel="Encoders",
        ),
    ] = None,
    rows_per_part: Annotated[
        int, typer.Option("--rows-per-part", min=1, help="Rows that are in memory at once.", rich_help_panel="Machine")
    ] = ROWS_PER_PART,
    shard: Annotated[
        str,
        typer.Option(
            "--shard", help="Predict every n-th part only, as 2/8; the last one joins.", rich_help_panel="Machine"
        ),
    ] = "1/1",
    launcher: Annotated[
        str | None,
        typer.Option("--launcher", help="ray: predict on the workers of a Ray cluster.", rich_help_panel="Machine"),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Workers of the launcher.", rich_help_panel="Machine")
    ] = 2,
) -> None:
    """Predict every row of DATA: its label and the probability of each class. A row may lack its picture or its text.

    A file of any length is read and predicted part by part. After an interruption the same command goes on from the
    finished parts. Rows in trouble are listed in OUT.quarantine.csv.

    Examples:

    - `interfuse predict run new_products.csv --image-folder photos --out predictions.csv`
    - `interfuse predict run new_products.parquet --launcher ray --workers 4`
    """
    portion, source = Portion.parse(shard), options.make_source(**{**locals(), "data": data})
    here = launched()
    if here.size > 1:
        if shard != "1/1" or launcher is not None:
            raise ConfigError(
                "Under torchrun the processes deal the parts themselves: leave out --shard and --launcher."
            )
        portion = Portion(here.rank + 1, here.size)
    if launcher is not None and portion.of > 1:
        raise ConfigError("Give --shard or --launcher, not both: a launcher deals the parts itself.")
    settings = StreamSettings(rows_per_part, keep_tokens, portion)
    opened = load_run(run)
    with options.watching() as progress:
        if launcher is None:
            done = predict_stream(opened, source, out, settings, progress)
        else:
            task = PredictTask(opened.folder, source, out, settings)
            done = predict_on_workers(task, progress, launcher, workers)
    if done.joined is None:
        typer.echo(f"{done.predicted:,} parts predicted, {done.found:,} were there; the last --shard writes {out}")
    else:
        typer.echo(f"{done.joined.rows:,} rows: {out}")
