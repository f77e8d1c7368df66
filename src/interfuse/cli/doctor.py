"""`interfuse doctor`: examine a fusion module of one's own, or a registered mechanism."""

import ast
import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from torch import nn

from interfuse.cli import options
from interfuse.core.errors import ConfigError, unknown
from interfuse.doctor import examine
from interfuse.fusion import FUSIONS, create_fusion, list_fusions


def add_to(app: typer.Typer) -> None:
    """File the command."""
    app.command("doctor")(doctor)


def doctor(
    target: Annotated[
        str, typer.Argument(help="package.module:Class, path/to/file.py:Class or the name of a registered mechanism.")
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
    remake = _find_maker(target, arguments, {"image_dim": image_dim, "text_dim": text_dim})
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


def _find_maker(target: str, arguments: dict[str, Any], widths: dict[str, int]) -> Callable[[], nn.Module]:
    """Return the function that makes the module."""
    if ":" not in target:
        if target not in list_fusions():
            hint = "" if not ("." in target or "/" in target) else " A class of your own is package.module:Class."
            raise ConfigError(unknown("fusion mechanism", target, list_fusions()) + hint)
        fields = {field.name for field in dataclasses.fields(FUSIONS.entry(target).config)}
        settings = {**{name: value for name, value in widths.items() if name in fields}, **arguments}
        return lambda: create_fusion(target, **settings)
    cls = _find(target)

    def make() -> nn.Module:
        try:
            module = cls(**arguments)
        except Exception as error:
            raise ConfigError(
                f"{target} cannot be made with {arguments or 'no settings'}: {type(error).__name__}: {error}. "
                "Give its arguments as name=value."
            ) from error
        if not isinstance(module, nn.Module):
            raise ConfigError(f"{target} makes a {type(module).__name__}; expected a torch.nn.Module.")
        return module

    return make


def _find(target: str) -> Callable[..., Any]:
    """Import package.module:Class or path/to/file.py:Class."""
    place, _, name = target.rpartition(":")
    module = _from_file(Path(place)) if place.endswith(".py") else _from_package(place)
    if not callable(getattr(module, name, None)):
        classes = [
            key for key, value in vars(module).items() if isinstance(value, type) and issubclass(value, nn.Module)
        ]
        raise ConfigError(unknown(f"class of {place}:", name, classes))
    cls: Callable[..., Any] = getattr(module, name)
    return cls


def _from_package(place: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(place)
    except ImportError as error:
        raise ConfigError(
            f"Cannot import {place}: {error}. Run where it can be imported, or give file.py:Class."
        ) from error
    finally:
        sys.path.remove(str(Path.cwd()))


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise ConfigError(f"There is no file {path}.")
    spec = importlib.util.spec_from_file_location(f"_examined_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(path.parent.resolve()))
    return module
