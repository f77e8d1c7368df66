"""`interfuse predict`: a run on new rows."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.settings import Field, Fields, takes_settings
from interfuse.core.errors import check_installed
from interfuse.core.processes import launched
from interfuse.settings import CompareSettings, Portion, SourceSettings, StreamSettings, check_data, check_run

COLUMNS = ("image", "text", "id", "image_folder", "join", "unpack_to", "strict", "allow_outside", "fetch")
"""How rows without labels are read."""


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("predict")(predict_command)


@takes_settings
def predict_command(
    run: options.RunFolder,
    data: options.Data,
    read: Annotated[SourceSettings, Fields(SourceSettings, only=COLUMNS, **options.READ)],
    encode: options.EncodersAsTrained,
    parts: Annotated[
        StreamSettings,
        Fields(StreamSettings, "Machine", without=("portion", "join"), panels={"keep_tokens": "Encoders"}),
    ],
    out: Annotated[Path, options.out("Where to write: .csv or .parquet.")] = Path("predictions.parquet"),
    shard: options.Shard = "1/1",
    launcher: Annotated[str | None, Field(CompareSettings, "Machine")] = None,
    jobs: Annotated[int | None, Field(CompareSettings, "Machine")] = None,
) -> None:
    """Predict every row of DATA: its label and the probability of each class. A row may lack its picture or its text.

    A file of any length is read and predicted part by part. After an interruption the same command goes on from the
    finished parts. Rows in trouble are listed in OUT.quarantine.csv.

    Examples:

    - `interfuse predict run new_products.csv --image-folder photos --out predictions.csv`
    - `interfuse predict run new_products.parquet --launcher ray --jobs 4`
    """
    portion = options.read_portion(shard)
    workers = options.count_workers(jobs, launcher)
    here = launched()
    if here.size > 1:
        if shard != "1/1" or launcher is not None:
            raise typer.BadParameter(
                "Under torchrun the processes deal the parts themselves: leave out --shard and --launcher."
            )
        portion = Portion(here.rank + 1, here.size)
    if launcher is not None and portion.of > 1:
        raise typer.BadParameter("Give --shard or --launcher, not both: a launcher deals the parts itself.")
    if launcher is not None:
        check_installed("ray", "ray")
    check_run(run)
    check_data(data, read.image_folder)
    from interfuse.training import load_run
    from interfuse.workflows import predict_stream
    from interfuse.workflows.predict import PredictTask, predict_on_workers
    from interfuse.workflows.source import Source

    settings = replace(parts, portion=portion)
    loaded_run, source = load_run(run), Source(data, read, encode)
    with options.watching() as progress:
        if launcher is None:
            done = predict_stream(loaded_run, source, out, settings, progress)
        else:
            task = PredictTask(loaded_run.folder, source, out, settings)
            done = predict_on_workers(task, progress, launcher, workers)
    if done.joined is None:
        typer.echo(f"{done.predicted:,} parts predicted, {done.num_done:,} were there; the last --shard writes {out}")
    else:
        typer.echo(f"{done.joined.rows:,} rows: {out}")
