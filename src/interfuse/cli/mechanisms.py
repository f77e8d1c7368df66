"""Fusion mechanisms on stdout, as `interfuse fusions` prints them."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from interfuse.fusion import FUSIONS, SIZES, mechanism_facts


def list_fitting(pattern: str) -> None:
    """List the mechanisms whose names fit a pattern of the shell's kind: family, size, cost, source."""
    console = Console()
    table = Table(box=None)
    for column in ("name", "family", "parameters", "Mflop", "source"):
        table.add_column(
            column, justify="right" if column in ("parameters", "Mflop") else "left", no_wrap=column == "name"
        )
    for facts in map(mechanism_facts, FUSIONS.names(pattern)):
        size, cost = f"{facts.parameters:,}", f"{facts.flops / 1e6:,.1f}"
        source = facts.reference.removeprefix("https://").replace("arxiv.org/abs/", "arXiv:")
        table.add_row(facts.name, facts.family, size, cost, source)
    console.print(table)
    console.print(f"\nParameters, and forward cost of one row, at {SIZES}.")
    console.print("`interfuse fusions NAME` shows equation, settings, what it is checked against and good for.")


def show(name: str) -> None:
    """Show one mechanism: equation, settings, source."""
    console = Console()
    facts = mechanism_facts(name)
    console.print(f"[bold]{name}[/bold] — {facts.family}; {escape(facts.good_for)}\n")
    console.print(escape(facts.doc), highlight=False)
    console.print("\n[bold]Settings[/bold]")
    for setting in facts.settings:
        default = f" = {setting.default}" if setting.default else ""
        console.print(f"  {setting.name}{escape(default)}: {escape(setting.doc)}", highlight=False)
    console.print(f"\n{facts.parameters:,} parameters, {facts.flops / 1e6:,.1f} Mflop a row at {SIZES}")
    console.print(f"Checked against: a slow reference; {escape(facts.oracle)}\nSource: {facts.reference}")
