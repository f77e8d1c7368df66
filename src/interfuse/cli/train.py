"""`interfuse train`: one design, one seed, one run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from interfuse.cli import options
from interfuse.cli.compare import check_precision
from interfuse.cli.terms import takes_terms
from interfuse.core.design import parse_designs
from interfuse.workflows import train_run


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("train")(train)


@takes_terms
def train(
    data: options.Data,
    image: options.Image = None,
    text: options.Text = None,
    label: options.Label = None,
    fusion: Annotated[str, typer.Option(help="One design, as cross_attention:num_layers=2.")] = "cross_attention",
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("run"),
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
    image_encoder: options.ImageEncoder = "efficientnet-lite0",
    text_encoder: options.TextEncoder = "minilm",
    image_size: options.ImageSize = None,
    store: options.StoreFolder = None,
    store_dtype: options.StoreDtype = "bfloat16",
    store_dim: options.StoreDim = None,
    seed: options.Seed = 0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.", rich_help_panel="Machine")] = 1,
    device: options.Device = "cpu",
    precision: options.Precision = "auto",
    **terms: Any,
) -> None:
    """Train one fusion network on your rows.

    Example: `interfuse train products.csv --image photo --text title --label category --out run`
    """
    source = options.make_source(**locals())
    designs = parse_designs(fusion, {**terms, **source.encoder_settings()})
    if len(designs) != 1:
        raise typer.BadParameter(f"train takes one design, got {len(designs)}; compare takes several.")
    with options.watching() as progress:
        run = train_run(source, out, designs[0], seed, check_precision(precision), threads, progress)
    for split_name, metrics in run.info["metrics"].items():
        typer.echo(f"{split_name}: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
    typer.echo(f"Run: {out}")
