"""The command line: one file a command; errors are one line on stderr."""

import sys
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
    predict,
    report,
    serve,
    store,
    train,
)
from interfuse.core.errors import InterfuseError

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
)
for module in COMMANDS:
    module.add_to(app)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Build, train, compare and explain image-text fusion networks."""
    state["debug"] = debug


state = {"debug": False}


def run(arguments: list[str] | None = None) -> None:
    """Run the command line; exit 0, 1 (error) or 2 (usage)."""
    try:
        app(args=arguments)
    except InterfuseError as error:
        if state["debug"]:
            raise
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
