"""The seeded faults: what is wrong, in which file, and the text that makes it so."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "interfuse"


@dataclass(frozen=True)
class Fault:
    """One seeded fault."""

    what: str
    """In words."""
    file: str
    """Below src/interfuse."""
    old: str
    """Stands exactly once in the file."""
    new: str
    """What takes its place."""

    def seed(self, source: Path) -> None:
        """Write the fault into a copy of the package."""
        path = source / self.file
        path.write_text(self.mutated(path.read_text(encoding="utf-8")), encoding="utf-8")

    def mutated(self, text: str) -> str:
        """Replace the text, which must stand once."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.what}: {self.old!r} stands {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)


def read_faults() -> list[Fault]:
    """Read all faults."""
    found = []
    for file, faults in tomllib.loads((Path(__file__).parent / "faults.toml").read_text(encoding="utf-8")).items():
        found += [Fault(what, file, old, new) for what, (old, new) in faults.items()]
    return found
