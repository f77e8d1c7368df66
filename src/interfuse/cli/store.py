"""`interfuse store ls|verify|gc`: what the token store holds, whether it is sound, what no study needs."""

from pathlib import Path
from typing import Annotated

import typer

from interfuse.cli import options
from interfuse.cli.settings import Fields, takes_settings
from interfuse.settings import EncoderSettings

Store = Annotated[EncoderSettings, Fields(EncoderSettings, only=("store",), **options.ENCODE)]
commands = typer.Typer(help="Look after the token store, as `interfuse store ls`.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """File the commands."""
    app.add_typer(commands, name="store")


@commands.command("ls")
@takes_settings
def list_command(encode: Store) -> None:
    """List each encoder's folder: items, shards, size.

    Example: `interfuse store ls`
    """
    from interfuse.store import list_holdings

    holdings = list_holdings(encode.store)
    for holding in holdings:
        typer.echo(_line(holding.folder, holding.items, holding.shards, holding.bytes))
        for sentence in holding.broken:
            typer.echo(f"  warning: {sentence}")
    typer.echo(f"{len(holdings)} encoders, {_size(sum(holding.bytes for holding in holdings))}")


@commands.command("verify")
@takes_settings
def verify_command(encode: Store) -> None:
    """Compare every item with its checksum; exit 1 where one is damaged (it is then encoded anew when needed).

    Example: `interfuse store verify`
    """
    from interfuse.store import verify

    num_damaged = 0
    for check in verify(encode.store):
        num_damaged += check.damaged + len(check.broken)
        typer.echo(f"{check.folder.name}: {check.items:,} items, {check.damaged:,} damaged")
        for sentence in check.broken:
            typer.echo(f"  warning: {sentence}")
    if num_damaged:
        raise typer.Exit(1)


@commands.command("gc")
@takes_settings
def collect_command(
    studies: Annotated[list[Path], typer.Argument(help="Studies and runs whose tokens stay.")],
    encode: Store,
    delete: Annotated[bool, typer.Option("--delete", help="Remove them; without it they are only listed.")] = False,
) -> None:
    """List the encoders' folders and projections that none of the given studies and runs uses; --delete removes them.

    Single items of a folder that is used stay, and so do the pictures that were unpacked from shards, datasets and
    URLs: they lie in a folder of their own (--unpack-to, else in the user's cache), which may be removed by hand.

    Example: `interfuse store gc study other-study --delete`
    """
    from interfuse.store import remove, unused
    from interfuse.workflows.store import unused_projections, used_folders

    root = encode.store
    holdings, projections = unused(root, used_folders(studies)), unused_projections(root, studies)
    for holding in holdings:
        if delete:
            remove(holding)
        typer.echo(
            ("removed " if delete else "would remove ")
            + _line(holding.folder, holding.items, holding.shards, holding.bytes)
        )
    num_bytes = sum(holding.bytes for holding in holdings) + sum(path.stat().st_size for path in projections)
    for path in projections:
        size = _size(path.stat().st_size)
        if delete:
            path.unlink()
        typer.echo(f"{'removed' if delete else 'would remove'} {path.parent.name}/{path.name}: {size}")
    total = _size(num_bytes)
    typer.echo(f"{total} freed" if delete else f"{total} would be freed; --delete removes it")


def _line(folder: Path, items: int, shards: int, num_bytes: int) -> str:
    return f"{folder.name}: {items:,} items, {shards:,} shards, {_size(num_bytes)}"


def _size(count: int) -> str:
    size, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.0f} {units[0]}" if units[0] == "bytes" else f"{size:.1f} {units[0]}"
