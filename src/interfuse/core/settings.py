"""Settings are frozen dataclasses: made from plain values with helpful errors, saved as JSON, hashed."""

import ast
import dataclasses
import hashlib
import inspect
import json
import textwrap
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from interfuse.core.errors import ConfigError, unknown

S = TypeVar("S")
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


def build(config: type[S], owner: str, values: Mapping[str, Any]) -> S:
    """Make a settings dataclass; strings become the type of the field, an unknown name raises.

    Args:
        config: the dataclass.
        owner: whose settings these are, for the error message.
        values: names to values.

    Raises:
        ConfigError: a name is not known, a required one is absent, or a value does not fit.
    """
    hints = typing.get_type_hints(config)
    fields = {field.name: field for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            raise ConfigError(unknown(f"setting of {owner}:", name, fields))
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise ConfigError(f"{owner}: the setting {name!r} is needed. Give {name}=….")
    return config(**{name: _fit(hints[name], value, f"{owner}: {name}") for name, value in values.items()})


def _fit(hint: Any, value: Any, what: str) -> Any:
    """Turn `value` into the type `hint`, or say why it cannot be."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        if value not in options:
            raise ConfigError(unknown(f"value of {what}:", str(value), [str(option) for option in options]))
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None or (isinstance(value, str) and value.lower() in ("none", "")):
            return None
        return _fit(next(option for option in options if option is not type(None)), value, what)
    if hint is bool:
        return _fit_bool(value, what)
    if hint in (int, float):
        return _fit_number(hint, value, what)
    if hint is str and not isinstance(value, str):
        raise ConfigError(f"{what} must be a text, got {value!r}.")
    return value


def _fit_bool(value: Any, what: str) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    if word in _TRUE | _FALSE:
        return word in _TRUE
    raise ConfigError(f"{what} must be true or false, got {value!r}.")


def _fit_number(hint: type, value: Any, what: str) -> Any:
    kind = "a whole number" if hint is int else "a number"
    try:
        number = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if number != number or (hint is int and not number.is_integer()):
        raise ConfigError(f"{what} must be {kind}, got {value!r}.")
    return hint(number) if hint is float or isinstance(value, float) else int(value)


def describe(config: type[Any]) -> dict[str, str]:
    """Read the line of docs below each field of a settings dataclass."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(config))).body[0]
    assert isinstance(tree, ast.ClassDef)
    docs: dict[str, str] = {}
    for statement, following in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            is_doc = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            docs[statement.target.id] = str(following.value.value) if is_doc else ""  # type: ignore[attr-defined]
    return docs


def to_plain(settings: Any) -> dict[str, Any]:
    """Turn a settings dataclass into plain JSON values."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings), sort_keys=True, allow_nan=False))
    return plain


def fingerprint(value: Any) -> str:
    """Hash plain JSON values; the order of keys does not matter.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def at_least(owner: str, minimum: int | float, **values: int | float) -> None:
    """Refuse any value below `minimum`, by name.

    Raises:
        ConfigError: a value is too small.
    """
    for name, value in values.items():
        if value < minimum:
            raise ConfigError(f"{owner}: {name} must be at least {minimum}, got {name}={value}.")
