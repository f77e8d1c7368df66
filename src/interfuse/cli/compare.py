"""`interfuse compare`: the main job."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from interfuse.cli import options
from interfuse.cli.terms import takes_terms
from interfuse.core.errors import ConfigError
from interfuse.reports import print_summary, to_json
from interfuse.workflows import SPACE, CompareSettings, Study, compare


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("compare")(compare_command)


@takes_terms
def compare_command(
    data: options.Data,
    image: options.Image = None,
    text: options.Text = None,
    label: options.Label = None,
    fusions: Annotated[
        str | None,
        typer.Option(
            help="Designs, as concat,concat:hidden=512,cross_attention:num_layers=2.",
            rich_help_panel="Designs",
        ),
    ] = None,
    designs: Annotated[
        Path | None, typer.Option(help="TOML file of designs, a table each.", rich_help_panel="Designs")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="Design that all are compared with.", rich_help_panel="Designs")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each design.", rich_help_panel="Designs")] = 5,
    margin: Annotated[
        float, typer.Option(help="Smallest difference worth a win, fraction.", rich_help_panel="Designs")
    ] = 0.01,
    metric: Annotated[
        str | None,
        typer.Option(help="Compare by this metric, as auc, macro-f1, map.", rich_help_panel="Designs"),
    ] = None,
    primary: Annotated[
        str | None,
        typer.Option(
            help="The contrast that the study is made for: 'cross_attention vs merged_attention'.",
            rich_help_panel="Designs",
        ),
    ] = None,
    match_parameters: Annotated[
        str | None,
        typer.Option(
            help="Make every design as large as this count, or as this design, by its width.",
            rich_help_panel="Designs",
        ),
    ] = None,
    tune: Annotated[
        int,
        typer.Option(min=0, help="Settings to draw, the same for every design.", rich_help_panel="Designs"),
    ] = 0,
    space: Annotated[
        str,
        typer.Option(help="What --tune draws: name=low..high or name=a|b|c.", rich_help_panel="Designs"),
    ] = SPACE,
    out: Annotated[Path, typer.Option(help="Folder of the study.")] = Path("study"),
    track: Annotated[str | None, typer.Option(help="Send curves and scores to tensorboard or mlflow too.")] = None,
    output: Annotated[str, typer.Option("--format", help="table or json, on stdout.")] = "table",
    id: options.Id = None,
    group: options.Group = None,
    image_folder: options.ImageFolder = None,
    allow_outside: options.AllowOutside = False,
    join: options.Join = None,
    unpack_to: options.UnpackTo = None,
    split: options.Split = None,
    validation: options.Validation = None,
    test: options.Test = None,
    folds: Annotated[
        int | None,
        typer.Option(min=2, help="Cross-validate: every row is a test row once.", rich_help_panel="Rows"),
    ] = None,
    task: options.Task = None,
    hard_negatives: options.HardNegatives = False,
    strict: options.Strict = False,
    train_rows: options.TrainRows = None,
    image_encoder: options.ImageEncoder = "efficientnet-lite0",
    text_encoder: options.TextEncoder = "minilm",
    image_size: options.ImageSize = None,
    store: options.StoreFolder = None,
    store_dtype: options.StoreDtype = "bfloat16",
    store_dim: options.StoreDim = None,
    seed: options.Seed = 0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Trainings side by side.", rich_help_panel="Machine")] = None,
    launcher: Annotated[
        str | None,
        typer.Option(help="ray: train on the workers of a Ray cluster, --jobs at once.", rich_help_panel="Machine"),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads a training.", rich_help_panel="Machine")] = 1,
    device: options.Device = "cpu",
    precision: options.Precision = "auto",
    **terms: Any,
) -> None:
    """Compare fusion designs on your rows: which is best, is the gain real, what does it cost.

    Examples:

    - `interfuse compare products.csv --image photo --text title --label category --image-folder photos`
    - `interfuse compare easy-vqa --fusions concat,cross_attention --seeds 3 --image-size 96`
    - `interfuse compare products.csv --tune 20 --match-parameters concat:hidden=512`
    - `interfuse compare known:binding --fusions cross_attention,product --format json`
    """
    source = options.make_source(**locals())
    settings = CompareSettings(
        fusions=fusions,
        designs=designs,
        base=terms,
        baseline=baseline,
        seeds=seeds,
        margin=margin,
        jobs=jobs,
        launcher=launcher,
        threads=threads,
        precision=check_precision(precision),
        train_rows=train_rows,
        metric=metric,
        primary=primary,
        match_parameters=match_parameters,
        tune=tune,
        space=space,
        track=track,
    )
    if output not in ("table", "json"):
        raise typer.BadParameter(f"--format is table or json, got {output!r}.")
    with options.watching() as progress:
        study = compare(source, out, settings, progress)
    show(study, output)


def show(study: Study, output: str, metric: str | None = None, report: Path | None = None) -> None:
    """Print a study's result on stdout, and where its report is."""
    summary = study.summary(metric)
    if output == "json":
        typer.echo(to_json(summary))
        return
    print_summary(summary, Console())
    typer.echo(f"Report: {report or study.folder / 'report.html'}")


def check_precision(word: str) -> Literal["auto", "float32", "bfloat16"]:
    """Refuse another word than the three.

    Raises:
        ConfigError: the word is none of them.
    """
    for known in ("auto", "float32", "bfloat16"):
        if word == known:
            return known
    raise ConfigError(f"--precision is auto, float32 or bfloat16, got {word!r}.")
