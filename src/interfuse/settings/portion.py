"""Which part of the work is this process's, where several share it."""

from dataclasses import dataclass

from interfuse.core.errors import ConfigError


@dataclass(frozen=True)
class Portion:
    """One of several equal portions of the batches, for one of several processes."""

    number: int = 1
    """From 1."""
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Portion":
        """Read `2/8`.

        Args:
            text: number of the portion, from 1, and how many there are.

        Raises:
            ConfigError: the text is no such portion.
        """
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise ConfigError(f"shard=… is i/n with i from 1 to n, as 2/8; got {text!r}.")
        return cls(int(number), int(of))

    def of_batches(self, batches: list[list[str]]) -> list[list[str]]:
        """Take every n-th batch of the whole plan, so that batches hold the same items whoever runs them.

        Args:
            batches: the whole plan.
        """
        return batches[self.number - 1 :: self.of]


WHOLE = Portion()
