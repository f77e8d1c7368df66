"""`interfuse export`: a run as a file that other programs load."""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.core.errors import ConfigError, unknown
from interfuse.training import load_run
from interfuse.workflows.export import Format, export_run


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("export")(export)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run: what train wrote, or STUDY/runs/DESIGN/SEED.")],
    out: Annotated[Path, typer.Option(help="Folder to write, new or empty.")] = Path("exported"),
    format: Annotated[str, typer.Option(help="onnx or torch (torch.export).")] = "onnx",
    whole: Annotated[bool, typer.Option("--whole", help="Encoders too: pictures and texts in, not tokens.")] = False,
) -> None:
    """Export a run: ONNX or torch, the head on tokens or the whole model, with labels, preprocessing and `predict.py`.

    Refused unless the exported model gives the run's own probabilities on full, padded, image-missing and
    text-missing inputs. An ONNX model runs without torch: `predict.py` beside it shows how.

    Examples:

    - `interfuse export run --whole --out exported`, then `python exported/predict.py photo.jpg "a red bicycle"`
    - `interfuse export run --format torch --out exported`
    """
    if format not in ("onnx", "torch"):
        raise ConfigError(unknown("--format", format, ("onnx", "torch")))
    chosen: Format = "onnx" if format == "onnx" else "torch"
    with options.watching() as progress:
        done = export_run(load_run(run), out, chosen, whole, progress)
    for kind, value in done.differences.items():
        typer.echo(f"{kind}: largest difference of a probability {value:.1e}")
    typer.echo(f"{done.file} ({done.file.stat().st_size / 1e6:,.1f} MB)")
