"""`interfuse encode`: fill the store, so that later commands find every token."""

from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.core.errors import ConfigError
from interfuse.workflows import Portion, encode_source
from interfuse.workflows.encode import encode_on_workers
from interfuse.workflows.source import keep_troubles, place_in_store


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("encode")(encode)


def encode(
    data: options.Data,
    image: options.Image = None,
    text: options.Text = None,
    label: options.Label = None,
    id: options.Id = None,
    image_folder: options.ImageFolder = None,
    allow_outside: options.AllowOutside = False,
    join: options.Join = None,
    unpack_to: options.UnpackTo = None,
    split: options.Split = None,
    validation: options.Validation = None,
    test: options.Test = None,
    group: options.Group = None,
    task: options.Task = None,
    seed: options.Seed = 0,
    strict: options.Strict = False,
    quarantine: options.Quarantine = None,
    image_encoder: options.ImageEncoder = "efficientnet-lite0",
    text_encoder: options.TextEncoder = "minilm",
    image_size: options.ImageSize = None,
    store: options.StoreFolder = None,
    store_dtype: options.StoreDtype = "bfloat16",
    store_dim: options.StoreDim = None,
    device: options.Device = "cpu",
    shard: Annotated[
        str,
        typer.Option(
            "--shard", help="Encode every n-th batch only, as 2/8, for batch schedulers.", rich_help_panel="Machine"
        ),
    ] = "1/1",
    launcher: Annotated[
        str | None,
        typer.Option("--launcher", help="ray: encode on the workers of a Ray cluster.", rich_help_panel="Machine"),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Workers of the launcher.", rich_help_panel="Machine")
    ] = 2,
) -> None:
    """Encode each distinct picture and text of DATA once; a second time encodes nothing.

    Rows in trouble are listed in a CSV file under `quarantine/` in the store, or where `--quarantine` says.

    With `--store-dim` give the options that say which rows are train rows (label, task, split, group, seed) as for the
    training that follows: the projection is fitted on them.

    Examples:

    - `interfuse encode products.csv --image photo --text title --image-folder photos`
    - `interfuse encode products.csv --image photo --text title --shard $SLURM_ARRAY_TASK_ID/8`
    - `interfuse encode products.csv --image photo --text title --launcher ray --workers 4`
    """
    portion, source = Portion.parse(shard), options.make_source(**locals())
    if launcher is not None and portion.of > 1:
        raise ConfigError("Give --shard or --launcher, not both: a launcher deals the portions itself.")
    with options.watching() as progress:
        if launcher is None:
            filled = encode_source(source, progress, portion)
        else:
            filled = encode_on_workers(source, progress, launcher, workers)
        if filled is not None:
            keep_troubles(filled.troubles, quarantine or place_in_store(source, portion), progress)
