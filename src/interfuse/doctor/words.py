"""Numbers, places and exceptions in the words of a finding."""

import inspect
from pathlib import Path

from torch import nn


def number(value: float) -> str:
    """Write a measured change with three digits; an infinite one is NaN or inf in the output."""
    return "NaN or inf" if value == float("inf") else f"{value:.3g}"


def raised(error: BaseException) -> str:
    """Write an exception in one line of at most 200 characters."""
    first = " ".join(str(error).split())
    return f"{type(error).__name__}: {first[:200]}{'…' if len(first) > 200 else ''}"


def where_is(module: nn.Module | type) -> str:
    """Name a class with its file and line."""
    cls = module if isinstance(module, type) else type(module)
    try:
        path = Path(inspect.getsourcefile(cls) or "?")
        line = inspect.getsourcelines(cls)[1]
    except (TypeError, OSError):
        return cls.__qualname__
    return f"{cls.__qualname__}, {path.name}:{line}"


def some(names: list[str], most: int = 6) -> str:
    """List names, the first few of many."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
