"""`interfuse encode`: fill the store, so that later commands find every token."""

from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.workflows import Portion, encode_source


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
    split: options.Split = None,
    strict: options.Strict = False,
    image_encoder: options.ImageEncoder = "efficientnet-lite0",
    text_encoder: options.TextEncoder = "minilm",
    image_size: options.ImageSize = None,
    store: options.StoreFolder = None,
    device: options.Device = "cpu",
    shard: Annotated[
        str,
        typer.Option(
            "--shard", help="Encode every n-th batch only, as 2/8, for batch schedulers.", rich_help_panel="Machine"
        ),
    ] = "1/1",
) -> None:
    """Encode each distinct picture and text of DATA once; a second time encodes nothing.

    Examples:

    - `interfuse encode products.csv --image photo --text title --image-folder photos`
    - `interfuse encode products.csv --image photo --text title --shard $SLURM_ARRAY_TASK_ID/8`
    """
    portion = Portion.parse(shard)
    with options.watching() as progress:
        encode_source(options.make_source(**locals()), progress, portion)
