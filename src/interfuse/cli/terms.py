"""Options for the terms of a design: one for each of its fields, so that no command lacks a fix that it names."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, TypeVar, get_type_hints

import typer

from interfuse.core.design import Design
from interfuse.core.settings import describe

Command = TypeVar("Command", bound=Callable[..., None])
ELSEWHERE = {"fusion", "name", "settings", "image_encoder", "text_encoder", "image_size", "store_dtype", "store_dim"}
"""Fields that a command is given otherwise: by `--fusions`, `--designs` or the encoders' options."""


def takes_terms(command: Command) -> Command:
    """Return a command an option for each term of a design; they arrive as its keyword arguments."""
    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    hints, told = get_type_hints(Design), describe(Design)
    terms = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[
                hints[field.name],
                typer.Option(f"--{field.name.replace('_', '-')}", help=told[field.name], rich_help_panel="Training"),
            ],
        )
        for field in fields(Design)
        if field.name not in ELSEWHERE
    ]
    command.__signature__ = signature.replace(parameters=[*own, *terms])  # type: ignore[attr-defined]
    return command
