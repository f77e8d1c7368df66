"""`interfuse fusions`: what mechanisms there are, and what one of them computes."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from interfuse.cli import options
from interfuse.core.files import write_atomically
from interfuse.fusion import FUSIONS, SIZES, mechanism_facts, mechanisms_page


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("fusions")(fusions)


def fusions(
    name: Annotated[
        str | None, typer.Argument(help="Show one mechanism; a pattern such as '*attention*' lists.")
    ] = None,
    out: Annotated[Path | None, options.out("Page of all mechanisms, .md, to write instead.")] = None,
) -> None:
    """List the fusion mechanisms, or show one: equation, settings, source.

    Examples:

    - `interfuse fusions`
    - `interfuse fusions cross_attention`
    """
    if out is not None:
        write_atomically(out, lambda path: path.write_text(mechanisms_page(), encoding="utf-8"))
        return
    console = Console()
    if name is not None and not any(mark in name for mark in "*?["):
        _show(console, name)
        return
    table = Table(box=None)
    for column in ("name", "family", "parameters", "Mflop", "source"):
        table.add_column(
            column, justify="right" if column in ("parameters", "Mflop") else "left", no_wrap=column == "name"
        )
    for facts in map(mechanism_facts, FUSIONS.names(name or "*")):
        size, cost = f"{facts.parameters:,}", f"{facts.flops / 1e6:,.1f}"
        source = facts.reference.removeprefix("https://").replace("arxiv.org/abs/", "arXiv:")
        table.add_row(facts.name, facts.family, size, cost, source)
    console.print(table)
    console.print(f"\nParameters, and forward cost of one row, at {SIZES}.")
    console.print("`interfuse fusions NAME` shows equation, settings, what it is checked against and good for.")


def _show(console: Console, name: str) -> None:
    facts = mechanism_facts(name)
    console.print(f"[bold]{name}[/bold] — {facts.family}; {escape(facts.good_for)}\n")
    console.print(escape(facts.doc), highlight=False)
    console.print("\n[bold]Settings[/bold]")
    for setting in facts.settings:
        default = f" = {setting.default}" if setting.default else ""
        console.print(f"  {setting.name}{escape(default)}: {escape(setting.doc)}", highlight=False)
    console.print(f"\n{facts.parameters:,} parameters, {facts.flops / 1e6:,.1f} Mflop a row at {SIZES}")
    console.print(f"Checked against: a slow reference; {escape(facts.oracle)}\nSource: {facts.reference}")
