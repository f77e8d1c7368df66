"""`interfuse diagnose`: is it really multimodal?"""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.settings import Fields, takes_settings
from interfuse.core.files import write_atomically
from interfuse.settings import DiagnoseSettings, check_data, check_run, is_study


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("diagnose")(diagnose_command)


@takes_settings
def diagnose_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or of a study (then the fusion of its verdict).")],
    data: options.Data,
    settings: Annotated[DiagnoseSettings, Fields(DiagnoseSettings, panels={"seed": "Training", "threads": "Machine"})],
    read: options.ReadingAsTrained,
    encode: options.EncodersAsTrained,
    design: Annotated[
        str | None, typer.Option(help="Of a study: the design to diagnose, first seed (and fold).")
    ] = None,
    all_seeds: Annotated[
        bool,
        typer.Option(
            "--all-seeds", help="Of a study: diagnose every seed (of the first fold), and tell whether they agree."
        ),
    ] = False,
    out: Annotated[
        Path | None, options.out("The page, .html (default: diagnosis.html beside the run), or the same as text, .md.")
    ] = None,
    format: options.Format = "text",
) -> None:
    """Tell whether a trained network uses and needs both modalities and their interaction, with the evidence.

    EMAP, perceptual scores, Shapley values, information decomposition, examples that need both, missing modalities,
    calibration and attention; also written as diagnosis.json and a page beside the run. Nothing is trained.

    Example: `interfuse diagnose study products.csv --image-folder photos --out diagnosis.html`
    """
    if all_seeds and out is not None:
        raise typer.BadParameter("--all-seeds writes a page beside each run; leave out --out.")
    if not is_study(run):
        check_run(run)
    check_data(data, read.image_folder)
    from interfuse.cli.flags import spell_flags
    from interfuse.reports import diagnosis_to_json, diagnosis_to_markdown, diagnosis_to_text
    from interfuse.workflows import diagnose, diagnose_seeds, open_for_diagnosis
    from interfuse.workflows.source import Source

    source = Source(data, read, encode)
    spell = diagnosis_to_json if format == "json" else lambda result: spell_flags(diagnosis_to_text(result))
    if all_seeds:
        with options.watching() as progress:
            every = diagnose_seeds(run, source, settings, design, progress)
        typer.echo(spell(every[0]))
        return
    loaded_run = open_for_diagnosis(run, design)
    page = out if out is None or out.suffix != ".md" else None
    with options.watching() as progress:
        diagnosis = diagnose(loaded_run, source, settings, page, progress)
        record = loaded_run.folder / "diagnosis.json"
        progress.say(f"Page: {page or record.with_suffix('.html')}. Record: {record}.")
    if out is not None and page is None:
        write_atomically(out, lambda path: path.write_text(diagnosis_to_markdown(diagnosis), encoding="utf-8"))
    typer.echo(spell(diagnosis))
