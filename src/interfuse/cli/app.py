"""The commands, and the options of all of them."""

from typing import Annotated

import typer

from interfuse.cli import (
    compare,
    demo,
    diagnose,
    doctor,
    encode,
    evaluate,
    export,
    fusions,
    inspect,
    plan,
    predict,
    rank,
    report,
    serve,
    store,
    train,
)
from interfuse.core.errors import ConfigError
from interfuse.core.processes import launched

app = typer.Typer(
    name="interfuse",
    help="Build, train, compare and explain image-text fusion networks.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS = (
    demo,
    inspect,
    compare,
    train,
    predict,
    evaluate,
    diagnose,
    encode,
    store,
    export,
    serve,
    fusions,
    doctor,
    report,
    rank,
    plan,
)
SHARED = ("encode", "evaluate", "predict", "train")
"""Commands whose work the processes of torchrun share."""
for module in COMMANDS:
    module.add_to(app)


def show_version(value: bool) -> bool:
    """Print the version and stop, where the flag is given."""
    if value:
        from importlib.metadata import version

        typer.echo(f"interfuse {version('interfuse')}")
        raise typer.Exit
    return value


@app.callback()
def options(
    version: Annotated[  # noqa: ARG001  (its callback acts)
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=show_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Build, train, compare and explain image-text fusion networks."""
    state["debug"] = debug


state = {"debug": False}


def check_shared(command: str) -> None:
    """Refuse commands that several processes would each do whole.

    Raises:
        ConfigError: torchrun started several processes for such a command.
    """
    if launched().size > 1 and command not in SHARED:
        raise ConfigError(
            f"torchrun started {launched().size} processes, and {command!r} is not shared among them: "
            f"{', '.join(SHARED)} are. Run it without torchrun; compare takes --launcher ray."
        )
