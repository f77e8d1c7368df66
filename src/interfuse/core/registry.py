"""A registry files classes under their literature names and makes them from settings."""

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from interfuse.core.errors import ConfigError, unknown
from interfuse.core.settings import build

T = TypeVar("T")
C = TypeVar("C", bound=type[Any])


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One filed class and the facts that lists and docs show of it."""

    name: str
    build: type[T]
    config: type[Any]
    reference: str
    family: str
    good_for: str
    oracle: str


class Registry(Generic[T]):
    """Names to classes, each with the frozen dataclass of its settings."""

    def __init__(self, kind: str) -> None:
        """Make an empty registry.

        Args:
            kind: what errors call an entry, such as "fusion mechanism".
        """
        self.kind = kind
        self._entries: dict[str, Entry[T]] = {}

    def register(
        self,
        name: str,
        *,
        config: type[Any],
        reference: str,
        family: str = "",
        good_for: str = "",
        oracle: str = "",
    ) -> Callable[[C], C]:
        """File the decorated class, which is made from one instance of `config`.

        Args:
            name: what `create` knows the class by.
            config: frozen dataclass of its settings.
            reference: address of the paper.
            family: kind of mechanism, under which lists show it.
            good_for: when to choose it.
            oracle: what a test holds it equal to.

        Raises:
            ConfigError: the name is taken.
        """

        def file(cls: C) -> C:
            if name in self._entries:
                raise ConfigError(f"The {self.kind} name {name!r} is taken by {self._entries[name].build!r}.")
            self._entries[name] = Entry(name, cls, config, reference, family, good_for, oracle)
            return cls

        return file

    def __iter__(self) -> Iterator[Entry[T]]:
        """Walk over the entries by name."""
        return iter(self._entries[name] for name in self.names())

    def names(self, pattern: str = "*") -> list[str]:
        """List the names that fit a shell pattern, sorted.

        Args:
            pattern: of the shell's kind, as `*attention*`.
        """
        return sorted(fnmatch.filter(self._entries, pattern))

    def entry(self, name: str) -> Entry[T]:
        """Find an entry.

        Args:
            name: of a filed class.

        Raises:
            ConfigError: the name is not known.
        """
        if name not in self._entries:
            raise ConfigError(unknown(self.kind, name, self._entries))
        return self._entries[name]

    def create(self, name: str, **settings: Any) -> T:
        """Make the class filed under `name` from its settings.

        Args:
            name: of a filed class.
            settings: fields of its config.

        Raises:
            ConfigError: the name or a setting is not known, or a setting cannot work.
        """
        entry = self.entry(name)
        return entry.build(build(entry.config, name, settings))  # type: ignore[call-arg]  # T is any class that takes one
