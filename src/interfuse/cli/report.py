"""`interfuse report`: a study's report again, in the format you need."""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli.compare import show
from interfuse.workflows import Study


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("report")(report)


def report(
    study: Annotated[Path, typer.Argument(help="Folder of a study.")],
    out: Annotated[Path | None, typer.Option(help="File to write: .html, .md, .csv or .json.")] = None,
    output: Annotated[str, typer.Option("--format", help="table or json, on stdout.")] = "table",
) -> None:
    """Show a study's result again and write its report; nothing is trained.

    Example: `interfuse report study --out study.md`
    """
    opened = Study.open(study)
    written = opened.report(out)
    show(opened, output)
    if out:
        typer.echo(f"Written: {written}")
