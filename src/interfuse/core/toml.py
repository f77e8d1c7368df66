"""Plain values as TOML, which the standard library reads and does not write."""

import json
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any


def to_toml(values: Mapping[str, Any], inside: Sequence[str] = ()) -> str:
    """Write texts, numbers, truth values and lists of them, then the tables, which may hold tables.

    >>> print(to_toml({"name": 'a "b"', "rows": [1, 2], "designs": {"a:b": {"dim": 8}}}), end="")
    name = "a \\"b\\""
    rows = [1, 2]
    <BLANKLINE>
    [designs."a:b"]
    dim = 8

    Args:
        values: names to values.
        inside: names of the tables that these values stand in, from the outermost.

    Raises:
        TypeError: a value has no form in TOML, such as None.
    """
    tables = {name: value for name, value in values.items() if isinstance(value, Mapping)}
    lines = [f"{_key(name)} = {_value(value)}\n" for name, value in values.items() if name not in tables]
    if inside and (lines or not tables):
        lines.insert(0, f"[{'.'.join(map(_key, inside))}]\n")
    parts = ["".join(lines), *(to_toml(table, [*inside, name]) for name, table in tables.items())]
    return "\n".join(filter(None, parts))


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else _text(name)


def _text(text: str) -> str:
    """Write a text as JSON does, whose escapes TOML shares; DEL, which JSON leaves bare, is escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        return repr(float(value))
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    raise TypeError(f"TOML has no form for {value!r}.")
