"""`interfuse encode`: fill the store, so that later commands find every token."""

import typer

from interfuse.cli import options
from interfuse.workflows import prepare


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
    strict: options.Strict = False,
    image_encoder: options.ImageEncoder = "efficientnet-lite0",
    text_encoder: options.TextEncoder = "minilm",
    image_size: options.ImageSize = None,
    store: options.StoreFolder = None,
    device: options.Device = "cpu",
) -> None:
    """Encode each distinct picture and text of DATA once; a second time encodes nothing.

    Example: `interfuse encode products.csv --image photo --text title --label category --image-folder photos`
    """
    with options.watching() as progress:
        prepare(options.make_source(**locals()), progress)
