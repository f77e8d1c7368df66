"""`interfuse fusions`: what mechanisms there are, and what one of them computes."""

import inspect
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from interfuse.core.settings import describe
from interfuse.fusion import FUSIONS, create_fusion

EXAMPLE = {"image_dim": 2048, "text_dim": 768, "fused_dim": 512}


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("fusions")(fusions)


def fusions(
    name: Annotated[
        str | None, typer.Argument(help="Show one mechanism; a pattern such as '*attention*' lists.")
    ] = None,
) -> None:
    """List the fusion mechanisms, or show one: equation, settings, source.

    Examples:

    - `interfuse fusions`
    - `interfuse fusions cross_attention`
    """
    console = Console()
    if name is not None and not any(mark in name for mark in "*?["):
        _show(console, name)
        return
    table = Table(title="Parameters at image 2048, text 768, fused 512", box=None)
    for column in ("name", "family", "parameters", "good for"):
        table.add_column(column, justify="right" if column == "parameters" else "left")
    for entry in FUSIONS:
        if entry.name in FUSIONS.names(name or "*"):
            size = sum(p.numel() for p in create_fusion(entry.name, **EXAMPLE).parameters())
            table.add_row(entry.name, entry.family, f"{size:,}", entry.good_for)
    console.print(table)


def _show(console: Console, name: str) -> None:
    entry = FUSIONS.entry(name)
    console.print(f"[bold]{name}[/bold] — {entry.family}; {escape(entry.good_for)}\n")
    console.print(escape(inspect.getdoc(entry.build) or ""))
    console.print("\n[bold]Settings[/bold]")
    docs: dict[str, str] = {}
    for config in reversed(entry.config.__mro__[:-1]):
        docs |= describe(config)
    for field, setting in entry.config.__dataclass_fields__.items():
        default = "" if repr(setting.default).startswith("<dataclasses._MISSING") else f" = {setting.default!r}"
        console.print(f"  {field}{escape(default)}: {escape(docs.get(field, ''))}", highlight=False)
    console.print(f"\nChecked against: a slow reference; {escape(entry.oracle)}\nSource: {entry.reference}")
