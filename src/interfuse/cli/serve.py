"""`interfuse serve`: a page and an API that answer with a run."""

import os
from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.settings import Field, takes_settings
from interfuse.core.errors import ConfigError, check_installed
from interfuse.settings import SourceSettings, check_run

AUTH_VARIABLE = "INTERFUSE_AUTH"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("serve")(serve)


@takes_settings
def serve(
    run: options.RunFolder,
    examples: Annotated[
        str | None, typer.Option(help="The run's DATA: a few of its validation rows are offered as examples.")
    ] = None,
    image_folder: Annotated[Path | None, Field(SourceSettings, "Rows")] = None,
    host: Annotated[str, typer.Option(help="Address to bind to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.", min=1, max=65535)] = 7860,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="Another name that browsers ask for, as NAME or NAME:PORT: a proxy's or a tunnel's."),
    ] = None,
    auth: Annotated[
        str | None, typer.Option(help=f"user:password; better in {AUTH_VARIABLE}, which no process list shows.")
    ] = None,
    max_bytes: Annotated[int, typer.Option(help="Largest picture file.")] = 20_000_000,
    max_pixels: Annotated[int, typer.Option(help="Largest picture, in pixels.")] = 64_000_000,
    max_batch: Annotated[int, typer.Option(help="Requests answered together.")] = 8,
) -> None:
    """Serve a run: drop a picture, type a sentence, either may be missing. Nothing leaves this machine.

    Example: `interfuse serve run --examples products.csv --image-folder photos`
    """
    check_installed("gradio", "serve")
    check_run(run)
    from interfuse.training import load_run
    from interfuse.workflows import serve as room

    with room.private_folder() as folder:
        names = room.Names(host, port, tuple(allowed_host or ()))
        login = read_auth(auth or os.environ.get(AUTH_VARIABLE))
        if host not in LOOPBACK and login is None:
            typer.echo(
                f"warning: anyone who reaches {host} may use this model. Fix: set {AUTH_VARIABLE}=user:password."
            )
        loaded_run = load_run(run)
        responder = room.Responder(loaded_run, room.Limits(max_bytes, max_pixels))
        rows = room.validation_examples(loaded_run, examples, image_folder) if examples else []
        uploads = room.Uploads(folder)
        page = room.build_page(responder, rows, uploads, max_batch)
        typer.echo(f"http://{host}:{port}")
        room.run_server(page, uploads, responder.limits, names, login)


def read_auth(login: str | None) -> tuple[str, str] | None:
    """Split user:password.

    Raises:
        ConfigError: there is no colon, or one side is empty.
    """
    if login is None:
        return None
    user, _, password = login.partition(":")
    if not user or not password:
        raise ConfigError("--auth is user:password, and neither may be empty.")
    return user, password
