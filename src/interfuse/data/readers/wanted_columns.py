"""Which columns of a file are needed, so that the others are never held in memory."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Used:
    """The columns that are named, and the usual names of those that may be guessed."""

    names: Collection[str]
    needed: Sequence[Collection[str]] = ()
    """One of each of these names, in lower case, must be there."""
    welcome: Sequence[Collection[str]] = ()
    """One of each of these names may be there."""

    def may_want(self, name: str) -> bool:
        """Whether a column of this name can be needed."""
        return name in self.names or any(name.lower() in names for names in (*self.needed, *self.welcome))

    def choose(self, columns: Sequence[str]) -> list[str]:
        """Return the columns that are needed; all of them where one is lacking, so that the error can list them."""
        lower = {column.lower() for column in columns}
        lacking = any(lower.isdisjoint(names) for names in self.needed) or not set(self.names) <= set(columns)
        return list(columns) if lacking else [column for column in columns if self.may_want(column)]
