"""`interfuse plan`: how many seeds and rows a difference takes."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.settings import RARE, Fields, takes_settings
from interfuse.settings import EncoderSettings, SourceSettings, check_data, is_study


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("plan")(plan_command)


@takes_settings
def plan_command(
    data: Annotated[str, typer.Argument(metavar="STUDY|DATA", help="Folder of a pilot study, or rows as for compare.")],
    read: Annotated[SourceSettings, Fields(SourceSettings, without=(*RARE, "folds", "resplit"), **options.READ)],
    contrast: Annotated[str | None, typer.Option(help="Two designs of the pilot, as 'gmu vs concat'.")] = None,
    difference: Annotated[
        float | None, typer.Option(help="To be found, a fraction: 0.01 is a point.  [default: the pilot's margin]")
    ] = None,
    format: options.Format = "text",
) -> None:
    """Tell how many seeds and test rows it takes to see a difference, before they are paid for.

    Examples:

    - `interfuse plan pilot --contrast "cross_attention vs concat" --difference 0.02`
    - `interfuse plan products.csv --image photo --text title --label category`
    """
    pilot = is_study(Path(data))
    if not pilot:
        check_data(data, read.image_folder)
    from rich.console import Console

    from interfuse.reports import print_forecast
    from interfuse.workflows import plan
    from interfuse.workflows.source import Source

    with options.watching() as progress:
        subject = data if pilot else Source(data, read, EncoderSettings())
        result = plan(subject, contrast=contrast, difference=difference, progress=progress)
    if format == "json":
        typer.echo(json.dumps(dataclasses.asdict(result), indent=2))
    else:
        print_forecast(result, Console())
