"""`interfuse fusions`: what mechanisms there are, and what one of them computes."""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.completions import COMPLETIONS
from interfuse.settings import check_fusion


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("fusions")(fusions)


def fusions(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Show one mechanism; a pattern such as '*attention*' lists.", autocompletion=COMPLETIONS["fusion"]
        ),
    ] = None,
    out: Annotated[Path | None, options.out("Page of all mechanisms, .md, to write instead.")] = None,
) -> None:
    """List the fusion mechanisms, or show one: equation, settings, source.

    Examples:

    - `interfuse fusions`
    - `interfuse fusions cross_attention`
    """
    one = name is not None and not any(mark in name for mark in "*?[")
    if name is not None and one and out is None:
        check_fusion(name)
    from interfuse.cli import mechanisms
    from interfuse.core.files import write_atomically
    from interfuse.fusion import mechanisms_page

    if out is not None:
        write_atomically(out, lambda path: path.write_text(mechanisms_page(), encoding="utf-8"))
    elif name is not None and one:
        mechanisms.show(name)
    else:
        mechanisms.list_fitting(name or "*")
