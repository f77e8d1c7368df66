"""`interfuse diagnose`: is it really multimodal?"""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.core.errors import ConfigError
from interfuse.reports import diagnosis_to_json, diagnosis_to_markdown, diagnosis_to_text
from interfuse.workflows import DiagnoseSettings, diagnose, diagnose_seeds, open_for_diagnosis

FORMATS = {"text": diagnosis_to_text, "json": diagnosis_to_json, "md": diagnosis_to_markdown}


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("diagnose")(diagnose_command)


def diagnose_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run, or of a study (then the fusion of its verdict).")],
    data: options.Data,
    design: Annotated[str | None, typer.Option(help="Of a study: the design to diagnose, first seed.")] = None,
    all_seeds: Annotated[
        bool, typer.Option("--all-seeds", help="Of a study: diagnose every seed, and tell whether they agree.")
    ] = False,
    rows: Annotated[int, typer.Option(min=2, help="Rows whose pairs are all computed: N² of them.")] = 300,
    on: Annotated[str, typer.Option(help="auto, test, validation, train or all rows.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="The page (default: diagnosis.html beside the run).")] = None,
    output: Annotated[str, typer.Option("--format", help="text, json or md, on stdout.")] = "text",
    image: options.Image = None,
    text: options.Text = None,
    label: options.Label = None,
    id: options.Id = None,
    group: options.Group = None,
    image_folder: options.ImageFolder = None,
    allow_outside: options.AllowOutside = False,
    join: options.Join = None,
    unpack_to: options.UnpackTo = None,
    split: options.Split = None,
    validation: options.Validation = None,
    test: options.Test = None,
    hard_negatives: options.HardNegatives = False,
    strict: options.Strict = False,
    store: options.StoreFolder = None,
    seed: options.Seed = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.", rich_help_panel="Machine")] = 2,
    device: options.Device = "cpu",
) -> None:
    """Tell whether a trained network uses and needs both modalities and their interaction, with the evidence.

    EMAP, perceptual scores, Shapley values, information decomposition, examples that need both, missing modalities,
    calibration and attention; also written as diagnosis.json and a page beside the run. Nothing is trained.

    Example: `interfuse diagnose study products.csv --image-folder photos --out diagnosis.html`
    """
    if output not in FORMATS:
        raise ConfigError(f"--format is {', '.join(FORMATS)}, got {output!r}.")
    source = options.make_source(**locals())
    settings = DiagnoseSettings(rows=rows, on=on, seed=seed, threads=threads)
    if all_seeds:
        if out is not None:
            raise ConfigError("--all-seeds writes a page beside each run; leave out --out.")
        with options.watching() as progress:
            every = diagnose_seeds(run, source, settings, design, progress)
        typer.echo(FORMATS[output](every[0]))
        return
    opened = open_for_diagnosis(run, design)
    with options.watching() as progress:
        found = diagnose(opened, source, settings, out, progress)
        progress.say(f"Page: {out or opened.folder / 'diagnosis.html'}. Record: {opened.folder / 'diagnosis.json'}.")
    typer.echo(FORMATS[output](found))
