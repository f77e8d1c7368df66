"""Spelling what came from files as text that a table can hold, which is UTF-8 and nothing else."""

import json
import os
from typing import Any


def spell(cell: Any) -> str | None:
    """Return a JSON value as text; half a surrogate pair, which UTF-8 does not have, becomes U+FFFD.

    >>> spell("a\\ud800b") == "a\\ufffdb", spell(["a", 1])
    (True, '["a", 1]')
    """
    if cell is None:
        return None
    text = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def readable(name: str) -> str:
    """Return a file's name for people: bytes that are not UTF-8 are read as Latin-1, which takes any.

    >>> readable(os.fsdecode(b"caf\\xe9")) == readable("caf\\u00e9") == "caf\\u00e9"
    True
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(name).decode("latin-1")
    return name
