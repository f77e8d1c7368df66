"""`interfuse inspect`: a dry run that shows what the rows are like."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from interfuse.cli import options
from interfuse.core.files import write_atomically
from interfuse.reports import inspection_to_html, inspection_to_json, print_inspection
from interfuse.workflows import inspect_source
from interfuse.workflows.source import FILE


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("inspect")(inspect)


def inspect(
    data: options.Data,
    image: options.Image = None,
    text: options.Text = None,
    label: options.Label = None,
    out: Annotated[Path | None, typer.Option(help="Write a page with sample rows, .html.")] = None,
    output: Annotated[Literal["table", "json"], typer.Option("--format", help="table or json, on stdout.")] = "table",
    id: options.Id = None,
    group: options.Group = None,
    image_folder: options.ImageFolder = None,
    allow_outside: options.AllowOutside = False,
    join: options.Join = None,
    unpack_to: options.UnpackTo = None,
    split: options.Split = None,
    validation: options.Validation = None,
    test: options.Test = None,
    task: options.Task = None,
    hard_negatives: options.HardNegatives = False,
    strict: options.Strict = False,
    quarantine: options.Quarantine = None,
    seed: options.Seed = 0,
) -> None:
    """Look at the rows before any work: counts, labels, gaps, leaks between splits, sizes, lengths. Nothing is encoded.

    Beside the page OUT.quarantine.csv lists every row in trouble.

    Examples:

    - `interfuse inspect products.csv --image photo --text title --label category --image-folder photos`
    - `interfuse inspect coco:coco --out coco.html`
    """
    source = options.make_source(**locals())
    quarantine = quarantine or (out and Path(f"{out}.{FILE}"))
    with options.watching() as progress:
        found = inspect_source(source, progress, quarantine)
        for note in found.notes:
            progress.say(note)
    if output == "json":
        typer.echo(inspection_to_json(found))
    else:
        print_inspection(found, Console())
    if out is not None:
        write_atomically(out, lambda temporary: temporary.write_text(inspection_to_html(found), encoding="utf-8"))
        typer.echo(f"Page: {out}", err=output == "json")
