"""`interfuse report`: a study's report again, in the format you need."""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.settings import Field, takes_settings
from interfuse.core.tasks import check_metric
from interfuse.settings import CompareSettings, check_study


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("report")(report)


@takes_settings
def report(
    study: Annotated[Path, typer.Argument(help="Folder of a study.")],
    out: Annotated[Path | None, options.out("File to write: .html, .md, .csv, .tex or .json.")] = None,
    format: options.Format = "text",
    metric: Annotated[str | None, Field(CompareSettings, fallback="the one that the study declared")] = None,
) -> None:
    """Show a study's result again and write its report; nothing is trained.

    Examples:

    - `interfuse report study --out study.md`
    - `interfuse report study --out table.tex`
    """
    check_study(study)
    if metric is not None:
        check_metric(metric)
    from interfuse.cli.results import show
    from interfuse.workflows import Study

    loaded_study = Study.open(study)
    path = loaded_study.report(out, metric)
    show(loaded_study, format, metric, path)
    if out and format == "json":
        typer.echo(f"Report: {path}", err=True)
