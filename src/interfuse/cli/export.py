"""`interfuse export`: a run as a file that other programs load."""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.core.errors import ConfigError, require, unknown
from interfuse.training import load_run
from interfuse.workflows.export import Format, Rows, export_run, quantise, read_rows
from interfuse.workflows.export import check as check_rows


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("export")(export)


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run: what train wrote, or STUDY/runs/DESIGN/SEED.")],
    out: Annotated[Path, typer.Option(help="Folder to write, new or empty.")] = Path("exported"),
    format: Annotated[str, typer.Option(help="onnx or torch (torch.export).")] = "onnx",
    whole: Annotated[bool, typer.Option("--whole", help="Encoders too: pictures and texts in, not tokens.")] = False,
    check: Annotated[
        str | None,
        typer.Option(help="DATA: compare with what `interfuse predict` gives on these rows.", metavar="DATA"),
    ] = None,
    int8: Annotated[
        str | None,
        typer.Option("--int8", help="DATA: also write 8-bit weights, and measure their cost on it.", metavar="DATA"),
    ] = None,
    image_folder: options.ImageFolder = None,
    store: options.StoreFolder = None,
) -> None:
    """Export a run: ONNX or torch, the head on tokens or the whole model, with labels, preprocessing and `predict.py`.

    Refused unless the exported model gives the run's own probabilities on full, padded, image-missing and
    text-missing inputs. An ONNX model runs without torch: `predict.py` beside it shows how.

    Examples:

    - `interfuse export run --whole --out exported`, then `python exported/predict.py photo.jpg "a red bicycle"`
    - `interfuse export run --whole --check held-out.csv --int8 held-out.csv`
    - `interfuse export run --format torch --out exported`
    """
    if format not in ("onnx", "torch"):
        raise ConfigError(unknown("--format", format, ("onnx", "torch")))
    chosen: Format = "onnx" if format == "onnx" else "torch"
    if chosen == "torch" and (int8 or (check and whole)):
        raise ConfigError("--int8, and --check of a whole model, need --format onnx.")
    if chosen == "onnx":
        for module in ("onnx", "onnxscript", "onnxruntime"):
            require(module, "export")
    told = []
    with options.watching() as progress:
        opened = load_run(run)
        done = export_run(opened, out, chosen, whole, progress)
        rows: dict[str, Rows] = {}
        for data in filter(None, (check, int8)):
            if data not in rows:
                source = options.make_source(data, image_folder=image_folder, store=store)
                rows[data] = read_rows(opened, source, progress)
        if rows:
            told.append(check_rows(opened, rows[check or str(int8)], out, progress).tell("export"))
        if int8:
            told.append(quantise(opened, rows[int8], out).tell("int8"))
    for kind, value in done.differences.items():
        typer.echo(f"{kind}: largest difference of a probability {value:.1e}")
    for line in told:
        typer.echo(line)
    typer.echo(f"{done.file} ({done.file.stat().st_size / 1e6:,.1f} MB)")
