"""Options made from the settings' dataclasses: a field is declared once, and `--help` reads the line of docs below it.

A parameter `read: Annotated[SourceSettings, Fields(SourceSettings)]` of a command stands for an option a field, and the
command gets the dataclass; `dict[str, Any]` instead of the dataclass gets the values by name. A parameter
`seeds: Annotated[int, Field(CompareSettings)] = 3` stands for the one option of that field.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer

from interfuse.cli.completions import COMPLETIONS
from interfuse.core.settings import describe
from interfuse.core.tasks import Task
from interfuse.settings import Coding

Command = TypeVar("Command", bound=Callable[..., None])
CHOICES: Mapping[str, Any] = {
    "copies": Literal["near", "exact"],
    "fetch": Literal["none", "public", "any"],
    "launcher": Literal["ray"],
    "on": Literal["test", "validation", "train", "all"],
    "store_dtype": Coding,
    "task": Task,
    "track": Literal["tensorboard", "mlflow"],
}
"""What the command line takes where the dataclass takes any text, and refuses it with its own words."""
RARE = (
    *("validation_share", "test_share", "fold", "hard_negatives", "fetch", "encoding_batch", "class_weights"),
    *("ogm_alpha", "focal_gamma", "space", "linear_floors"),
)
"""Settings that `compare` takes from a file alone: its help has room for 66 options."""
SMALLEST = {
    "accumulate": 1, "finetune_batch": 1, "finetune_epochs": 1, "folds": 2, "image_size": 32, "jobs": 1, "rows": 2,
    "resplit": 2, "rows_per_part": 1, "seeds": 1, "store_dim": 1, "threads": 1, "train_rows": 1, "tune": 0,
    "until_sure": 2,
}  # fmt: skip
"""Smaller values are wrong usage."""


@dataclass(frozen=True)
class Field:
    """One field of a settings dataclass, as an option."""

    config: type[Any]
    panel: str | None = None
    """Panel of `--help`."""
    fallback: str = ""
    """What this command takes where nothing is given; empty: what the field's docs say."""


@dataclass(frozen=True)
class Fields:
    """Fields of a settings dataclass, as options; one that holds several values by name is none.

    Where a field has no default the whole is optional: without that option the command gets None.
    """

    config: type[Any]
    panel: str | None = None
    """Panel of `--help`."""
    only: Sequence[str] = ()
    """Fields that are offered; empty: all."""
    without: Sequence[str] = ()
    """Fields that are not offered."""
    panels: Mapping[str, str] = field(default_factory=dict)
    """Fields that stand in another panel."""
    option_names: Mapping[str, str] = field(default_factory=dict)
    """Fields whose option has another name."""

    def names(self) -> dict[str, str]:
        """Return the names of the options, to those of the fields."""
        hints = _hints(self.config)
        names = [one.name for one in fields(self.config) if get_origin(hints[one.name]) is not Mapping]
        names = [name for name in names if (not self.only or name in self.only) and name not in self.without]
        return {self.option_names.get(name, name): name for name in names}

    def options(self) -> list[inspect.Parameter]:
        """Return the options."""
        return [
            make_option(self.config, name, option, self.panels.get(name, self.panel))
            for option, name in self.names().items()
        ]

    def read(self, kind: Any, values: Mapping[str, Any]) -> Any:
        """Make what the command gets: the dataclass, the values by name, or None.

        Raises:
            typer.BadParameter: options are given without the one that they need.
        """
        names = self.names()
        settings = {name: values[option] for option, name in names.items()}
        if get_origin(kind) is dict:
            return settings
        own = self.config.__dataclass_fields__
        requirement = next((name for name, one in own.items() if is_needed(one)), None)
        if requirement is not None and settings.get(requirement) is None:
            others = [(option, name) for option, name in names.items() if name != requirement]
            more = [flag(option) for option, name in others if settings[name] != default_of(own[name])]
            if more:
                raise typer.BadParameter(f"{', '.join(more)} would change nothing: they need {flag(requirement)}.")
            return None
        factories = {name for name, one in own.items() if one.default_factory is not MISSING}
        plain = {name: value for name, value in settings.items() if value is not None or name not in factories}
        return self.config(**plain)


def takes_settings(command: Command) -> Command:
    """Return the command with options for the settings that it takes; two settings may share an option."""
    parameters = inspect.signature(command).parameters.values()
    groups: dict[str, tuple[Any, Fields]] = {}
    options: dict[str, inspect.Parameter] = {}
    for parameter in parameters:
        kind, *notes = get_args(parameter.annotation) or (parameter.annotation,)
        note = notes[0] if get_origin(parameter.annotation) is Annotated else None
        if isinstance(note, Fields):
            groups[parameter.name] = kind, note
            for option in note.options():
                options.setdefault(option.name, option)
        elif isinstance(note, Field):
            option = make_option(note.config, parameter.name, parameter.name, note.panel, note.fallback)
            options[parameter.name] = option.replace(default=parameter.default)
        else:
            options[parameter.name] = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)

    @functools.wraps(command)
    def call(**values: Any) -> None:
        settings = {name: group.read(kind, values) for name, (kind, group) in groups.items()}
        command(**{name: values[name] for name in own}, **settings)

    own = [parameter.name for parameter in parameters if parameter.name not in groups]
    call.__signature__ = inspect.Signature(list(options.values()))  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


def make_option(config: type[Any], name: str, option: str, panel: str | None, fallback: str = "") -> inspect.Parameter:
    """Return the option of a field: its type, its default and its docs are the field's, but for its `fallback`."""
    own = config.__dataclass_fields__[name]
    hint = _hints(config)[name]
    optional = type(None) in get_args(hint)
    kind = CHOICES.get(name) or next((one for one in (Path, bool) if one in (hint, *get_args(hint))), hint)
    default = default_of(own)
    if optional or default is None:
        kind = kind | None
    flags = f"{flag(option)}/{flag(f'no_{option}')}" if bool in (hint, *get_args(hint)) else flag(option)
    info = typer.Option(
        flags,
        help=_help(" ".join(_docs(config)[name].split()), fallback),
        min=SMALLEST.get(option),
        rich_help_panel=panel,
        autocompletion=COMPLETIONS.get(name),
    )
    return inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def _help(docs: str, fallback: str) -> str:
    """Return the help of an option; a fallback takes the place of what the docs say of no value.

    >>> _help("What to compare by; none: the task's headline.", "the study's")
    "What to compare by.  [default: the study's]"
    """
    return f"{docs.partition('; none:')[0].rstrip('.')}.  [default: {fallback}]" if fallback else docs


def flag(name: str) -> str:
    """Spell a setting as the command line does.

    >>> flag("learning_rate")
    '--learning-rate'
    """
    return f"--{name.replace('_', '-')}"


def default_of(one: Any) -> Any:
    """Return the default of a dataclass's field, as the command line knows it: none where a function makes it."""
    return None if one.default is MISSING else one.default


def is_needed(one: Any) -> bool:
    """Return whether a field of a dataclass has no default."""
    return one.default is MISSING and one.default_factory is MISSING


_docs: Callable[[Any], dict[str, str]] = functools.cache(describe)
_hints: Callable[[Any], dict[str, Any]] = functools.cache(get_type_hints)
