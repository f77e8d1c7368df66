"""`interfuse export`: a run as a file that other programs load."""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.settings import Field, Fields, takes_settings
from interfuse.core.errors import check_installed
from interfuse.settings import EncoderSettings, ExportFormat, SourceSettings, check_data, check_run


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("export")(export)


@takes_settings
def export(
    run: options.RunFolder,
    encode: Annotated[EncoderSettings, Fields(EncoderSettings, only=("store",), **options.ENCODE)],
    out: Annotated[Path, options.out("Folder to write, new or empty.")] = Path("exported"),
    to: Annotated[
        ExportFormat, typer.Option(help="What the file is for: ONNX Runtime, or torch.export.load, which can run code.")
    ] = "onnx",
    whole: Annotated[bool, typer.Option("--whole", help="Encoders too: pictures and texts in, not tokens.")] = False,
    check: Annotated[
        str | None,
        typer.Option(help="DATA: compare with what `interfuse predict` gives on these rows.", metavar="DATA"),
    ] = None,
    int8: Annotated[
        str | None,
        typer.Option("--int8", help="DATA: also write 8-bit weights, and measure their cost on it.", metavar="DATA"),
    ] = None,
    image_folder: Annotated[Path | None, Field(SourceSettings, "Rows")] = None,
) -> None:
    """Export a run: ONNX or torch, the head on tokens or the whole model, with labels, preprocessing and `predict.py`.

    Refused unless the exported model gives the run's own probabilities on full, padded, image-missing and
    text-missing inputs. An ONNX model runs without torch: `predict.py` beside it shows how.

    Examples:

    - `interfuse export run --whole --out exported`, then `python exported/predict.py photo.jpg "a red bicycle"`
    - `interfuse export run --whole --check held-out.csv --int8 held-out.csv`
    - `interfuse export run --to torch --out exported`
    """
    if to == "torch" and (int8 or (check and whole)):
        raise typer.BadParameter("--int8, and --check of a whole model, need --to onnx.")
    if to == "onnx":
        for module in ("onnx", "onnxscript", "onnxruntime"):
            check_installed(module, "export")
    check_run(run)
    for data in filter(None, (check, int8)):
        check_data(data, image_folder)
    from interfuse.core.processes import unwound_on_termination
    from interfuse.training import load_run
    from interfuse.workflows.export import AnsweredRows, export_run, quantise, read_rows
    from interfuse.workflows.export import check as check_rows
    from interfuse.workflows.source import Source

    lines = []
    with unwound_on_termination(), options.watching() as progress:
        loaded_run = load_run(run)
        artifact = export_run(loaded_run, out, to, whole, progress)
        rows: dict[str, AnsweredRows] = {}
        for data in filter(None, (check, int8)):
            if data not in rows:
                source = Source(data, SourceSettings(image_folder=image_folder), encode)
                rows[data] = read_rows(loaded_run, source, progress)
        if rows:
            lines.append(check_rows(loaded_run, rows[check or str(int8)], out, progress).tell("export"))
        if int8:
            lines.append(quantise(loaded_run, rows[int8], out).tell("int8"))
    for kind, value in artifact.differences.items():
        typer.echo(f"{kind}: largest difference of a probability {value:.1e}")
    for line in lines:
        typer.echo(line)
    typer.echo(f"{artifact.file} ({artifact.file.stat().st_size / 1e6:,.1f} MB)")
