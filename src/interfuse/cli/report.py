"""`interfuse report`: a study's report again, in the format you need."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from interfuse.cli.compare import show
from interfuse.reports import to_csv, to_latex, to_markdown
from interfuse.workflows import Study

WRITERS = {"md": to_markdown, "csv": to_csv, "latex": to_latex}


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("report")(report)


def report(
    study: Annotated[Path, typer.Argument(help="Folder of a study.")],
    out: Annotated[Path | None, typer.Option(help="File to write: .html, .md, .csv, .tex or .json.")] = None,
    output: Annotated[
        Literal["table", "json", "md", "csv", "latex"], typer.Option("--format", help="What stdout gets.")
    ] = "table",
    metric: Annotated[
        str | None, typer.Option(help="Compare by this metric, as auc, macro-f1, map (default: the declared one).")
    ] = None,
) -> None:
    """Show a study's result again and write its report; nothing is trained.

    Examples:

    - `interfuse report study --out study.md`
    - `interfuse report study --format latex > table.tex`
    """
    opened = Study.open(study)
    written = opened.report(out, metric)
    if output in WRITERS:
        typer.echo(WRITERS[output](opened.summary(metric)), nl=False)
    else:
        show(opened, output, metric, written)
    if out and output != "table":
        typer.echo(f"Report: {written}", err=True)
