"""The command line: one file a command; errors are one line on stderr."""

import os
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
from interfuse.core.errors import ConfigError, InterfuseError
from interfuse.training import launched, leave

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
SHARED = ("encode", "evaluate", "predict", "train")
"""Commands whose work the processes of torchrun share."""
for module in COMMANDS:
    module.add_to(app)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Build, train, compare and explain image-text fusion networks."""
    state["debug"] = debug


state = {"debug": False}


def _check_shared(command: str) -> None:
    """Refuse commands that several processes would each do whole.

    Raises:
        ConfigError: torchrun started several processes for such a command.
    """
    if launched().size > 1 and command not in SHARED:
        raise ConfigError(
            f"torchrun started {launched().size} processes, and {command!r} is not shared among them: "
            f"{', '.join(SHARED)} are. Run it without torchrun; compare takes --launcher ray."
        )


def run(arguments: list[str] | None = None) -> None:
    """Run the command line; exit 0, 1 (error) or 2 (usage)."""
    if not launched().leads:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (the first process tells)
    try:
        _check_shared(next((word for word in arguments or sys.argv[1:] if not word.startswith("-")), ""))
        app(args=arguments)
    except InterfuseError as error:
        if state["debug"]:
            raise
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    finally:
        leave()
