"""A study's result on stdout, as `compare`, `demo` and `report` print it."""

from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console

from interfuse.cli.flags import spell_flags
from interfuse.reports import print_summary, to_json
from interfuse.workflows import Study


def show(study: Study, format: str, metric: str | None = None, report: Path | None = None) -> None:
    """Print a study's result on stdout, and where its report is."""
    summary = study.summary(metric)
    if format == "json":
        typer.echo(to_json(summary))
        return
    details = [spell_flags(detail) for detail in summary.details]
    print_summary(replace(summary, verdict=spell_flags(summary.verdict), details=details), Console())
    typer.echo(f"Report: {report or study.folder / 'report.html'}")
