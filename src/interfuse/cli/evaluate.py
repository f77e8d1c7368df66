"""`interfuse evaluate`: the metrics of a run on labelled rows."""

import json
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.settings import Field, takes_settings
from interfuse.settings import DiagnoseSettings, check_data, check_run


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("evaluate")(evaluate_command)


@takes_settings
def evaluate_command(
    run: options.RunFolder,
    data: options.Data,
    read: options.ReadingAsTrained,
    encode: options.EncodersAsTrained,
    on: Annotated[str, Field(DiagnoseSettings)] = "all",
    missing: Annotated[
        list[str] | None,
        typer.Option(help="Take a modality away from a fraction of the rows, as image=0.5; may be given twice."),
    ] = None,
    format: options.Format = "text",
    quarantine: options.Quarantine = None,
) -> None:
    """Score a run on labelled rows.

    Examples:

    - `interfuse evaluate run more_products.csv --image-folder photos`
    - `interfuse evaluate run products.csv --on test --missing image=0.5`
    """
    shares = read_shares(missing or [])
    check_run(run)
    check_data(data, read.image_folder)
    from interfuse.training import load_run
    from interfuse.workflows import evaluate
    from interfuse.workflows.source import Source

    loaded_run, source = load_run(run), Source(data, read, encode)
    with options.watching() as progress:
        metrics = evaluate(loaded_run, source, on, progress, shares, quarantine)
    if format == "json":
        typer.echo(json.dumps(dict(metrics), indent=2))
        return
    for name, value in metrics.items():
        typer.echo(f"{name}: {value:,}" if name == "rows" else f"{name}: {value:.4f}")


def read_shares(words: list[str]) -> dict[str, float]:
    """Read `image=0.5`.

    Raises:
        typer.BadParameter: a word is not of this form.
    """
    shares = {}
    for word in words:
        modality, _, share = word.partition("=")
        try:
            shares[modality] = float(share)
        except ValueError:
            raise typer.BadParameter(f"--missing is image=FRACTION or text=FRACTION, got {word!r}.") from None
    return shares
