"""`interfuse doctor`: examine a fusion module of one's own, or a registered mechanism."""

import ast
from typing import Annotated, Any

import typer

from interfuse.cli import options
from interfuse.cli.completions import COMPLETIONS
from interfuse.settings import check_fusion


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("doctor")(doctor)


def doctor(
    target: Annotated[
        str,
        typer.Argument(
            help="package.module:Class, path/to/file.py:Class or the name of a registered mechanism.",
            autocompletion=COMPLETIONS["fusion"],
        ),
    ],
    settings: Annotated[
        list[str] | None, typer.Argument(help="What the class is made with: name=value, Python literals.")
    ] = None,
    image_dim: Annotated[int, typer.Option("--image-dim", min=1, help="Width of an image token.")] = 2048,
    text_dim: Annotated[int, typer.Option("--text-dim", min=1, help="Width of a text token.")] = 768,
    layout: Annotated[
        str | None, typer.Option("--layout", help="tokens, pooled or tokens-first (default: found by trying).")
    ] = None,
    image_tokens: Annotated[
        int | None, typer.Option("--image-tokens", min=1, help="The one number of image tokens that it takes.")
    ] = None,
    text_tokens: Annotated[
        int | None, typer.Option("--text-tokens", min=1, help="The one number of text tokens that it takes.")
    ] = None,
    format: options.Format = "text",
) -> None:
    """Examine a fusion module: what never trains, what leaks, what is ignored. Exit 1 if something is wrong.

    Examples:

    - `interfuse doctor cross_attention`
    - `interfuse doctor mypackage.fusion:CrossModal hidden=512 heads=8 --image-dim 2048 --text-dim 768`
    - `interfuse doctor models/fusion.py:CrossModal --format json`
    """
    arguments = _read_arguments(settings or [])
    if ":" not in target:
        own = "." in target or "/" in target
        check_fusion(target, " A class of your own is package.module:Class." if own else "")
    from rich.console import Console

    from interfuse.cli.examined import find_maker
    from interfuse.doctor import examine

    remake = find_maker(target, arguments, {"image_dim": image_dim, "text_dim": text_dim})
    signature: dict[str, Any] = {"layout": layout, "image_tokens": image_tokens, "text_tokens": text_tokens}
    signature = {name: value for name, value in signature.items() if value is not None}
    report = examine(remake(), image_dim=image_dim, text_dim=text_dim, remake=remake, **signature)
    if format == "json":
        print(report.to_json())  # noqa: T201
    else:
        report.show(Console(soft_wrap=True))
    if not report.ok:
        raise typer.Exit(1)


def _read_arguments(pairs: list[str]) -> dict[str, Any]:
    """Read name=value pairs; a value that is no Python literal is a text."""
    arguments: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise typer.BadParameter(f"Cannot read {pair!r}: write name=value, such as hidden=512.")
        try:
            arguments[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            arguments[name] = value
    return arguments
