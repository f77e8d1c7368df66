"""Checks on what a record of ours says: each entry by name and kind, before anything is done with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interfuse.core.errors import DataError

LARGEST = 2**63


@dataclass(frozen=True)
class Kind:
    """What an entry may be."""

    words: str
    """As an error says it."""
    fits: Callable[[Any], bool]
    """Whether a value is one."""

    def __or__(self, other: "Kind") -> "Kind":
        """Return the kind of what is one of two."""
        return Kind(f"{self.words} or {other.words}", lambda value: self.fits(value) or other.fits(value))


TEXT = Kind("a text", lambda value: isinstance(value, str))
TRUTH = Kind("true or false", lambda value: isinstance(value, bool))
NULL = Kind("null", lambda value: value is None)
COUNT = Kind("a whole number from 0", lambda value: type(value) is int and 0 <= value < LARGEST)
WHOLE = Kind("a whole number", lambda value: type(value) is int and -LARGEST <= value < LARGEST)
NUMBER = Kind("a number", lambda value: type(value) in (int, float) and -LARGEST < value < LARGEST)
OBJECT = Kind("an object", lambda value: isinstance(value, dict))


def one_of(*options: str) -> Kind:
    """Return the kind of these texts and no other."""
    return Kind(f"one of {', '.join(options)}", lambda value: isinstance(value, str) and value in options)


def below(kind: Kind, limit: int) -> Kind:
    """Return the kind of a number that is at most so large."""
    return Kind(f"{kind.words} to {limit:,}", lambda value: kind.fits(value) and value <= limit)


def list_of(kind: Kind, least: int = 0) -> Kind:
    """Return the kind of a list whose every item is of a kind, and so many at least."""
    words = f"a list of {least} or more, each {kind.words}" if least else f"a list, each item {kind.words}"
    return Kind(words, lambda value: isinstance(value, list) and len(value) >= least and all(map(kind.fits, value)))


def object_of(kind: Kind) -> Kind:
    """Return the kind of an object whose every value is of a kind."""
    words = f"an object, each value {kind.words}"
    return Kind(words, lambda value: isinstance(value, dict) and all(map(kind.fits, value.values())))


def object_with(needed: Mapping[str, Kind], optional: Mapping[str, Kind] | None = None) -> Kind:
    """Return the kind of an object with these entries; any other entry is of no kind, and nobody's."""

    def fits(value: Any) -> bool:
        return (
            isinstance(value, dict)
            and all(name in value and kind.fits(value[name]) for name, kind in needed.items())
            and all(kind.fits(value[name]) for name, kind in (optional or {}).items() if name in value)
        )

    known = ", ".join(f"{name}: {kind.words}" for name, kind in needed.items())
    return Kind(f"an object with {known}" if known else "an object", fits)


class Record(dict[str, Any]):
    """Entries of a record; one that is not there is an error in words."""

    def __missing__(self, name: str) -> Any:
        """Refuse an entry that the record lacks.

        Raises:
            DataError: always.
        """
        raise DataError(f"{self.__dict__.get('path', 'The record')} does not say {name!r}, which is needed here.")


def check_record(path: Path, value: Any, kinds: Mapping[str, Kind], needed: tuple[str, ...] = ()) -> Record:
    """Return a record whose entries are of the kinds that they must be.

    Args:
        path: where it was read, for the errors.
        value: what was read.
        kinds: entries to what they may be; an entry that is not named here is taken as it is.
        needed: entries that must be there; one that is not, and is asked for later, is told then.

    Raises:
        DataError: it is no object, lacks an entry, or has one of another kind.
    """
    if not isinstance(value, dict):
        raise DataError(f"{path} must hold an object with entries, got {shown(value)}.")
    for name in needed:
        if name not in value:
            raise DataError(f"{path} does not say {name!r}. Give a folder that this library wrote.")
    for name, kind in kinds.items():
        if name in value and not kind.fits(value[name]):
            raise DataError(f"{path}: {name} must be {kind.words}, got {shown(value[name])}.")
    record = Record(value)
    record.__dict__["path"] = str(path)
    return record


def shown(value: Any) -> str:
    """Return a value as an error shows it: short."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
