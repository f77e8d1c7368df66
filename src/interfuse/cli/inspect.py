"""`interfuse inspect`: a dry run that shows what the rows are like."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.flags import spell_flags
from interfuse.cli.settings import takes_settings
from interfuse.core.files import write_atomically
from interfuse.settings import check_data


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("inspect")(inspect)


@takes_settings
def inspect(
    data: options.Data,
    read: options.Reading,
    out: Annotated[Path | None, options.out("Page with sample rows, .html.")] = None,
    format: options.Format = "text",
    quarantine: options.Quarantine = None,
) -> None:
    """Look at the rows before any work: counts, labels, gaps, leaks between splits, sizes, lengths. Nothing is encoded.

    Beside the page OUT.quarantine.csv lists every row in trouble.

    Examples:

    - `interfuse inspect products.csv --image photo --text title --label category --image-folder photos`
    - `interfuse inspect coco:coco --out coco.html`
    """
    check_data(data, read.image_folder)
    from rich.console import Console

    from interfuse.reports import inspection_to_html, inspection_to_json, print_inspection
    from interfuse.workflows import inspect_source
    from interfuse.workflows.source import FILE, Source

    source = Source(data, read)
    quarantine = quarantine or (out and Path(f"{out}.{FILE}"))
    with options.watching() as progress:
        inspection = inspect_source(source, progress, quarantine)
        for note in inspection.notes:
            progress.say(note)
    if format == "json":
        typer.echo(inspection_to_json(inspection))
    else:
        warnings = [spell_flags(warning) for warning in inspection.warnings]
        print_inspection(replace(inspection, warnings=warnings), Console())
    if out is not None:
        write_atomically(out, lambda temporary: temporary.write_text(inspection_to_html(inspection), encoding="utf-8"))
        typer.echo(f"Page: {out}", err=format == "json")
