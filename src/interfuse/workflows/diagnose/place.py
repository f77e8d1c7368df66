"""The place of a run in its study: which training it is, and what must be said of it for that."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interfuse.core.files import read_json
from interfuse.core.tasks import HEADLINES


@dataclass(frozen=True)
class Place:
    """Where a run lies, and the study that it belongs to."""

    folder: Path
    study: Mapping[str, Any]
    """Its record; empty where the run is no study's."""

    @classmethod
    def of(cls, folder: Path) -> "Place":
        """Find the study of a run: of `STUDY/runs/DESIGN/SEED`, or of `STUDY/runs/DESIGN/SEED/FOLD`.

        Args:
            folder: of the run.
        """
        path = folder.resolve()
        runs = next((above for above in path.parents[:3] if above.name == "runs"), path)
        record = runs.parent / "study.json"
        return cls(path, read_json(record) if record.is_file() and runs != path else {})

    @property
    def fold(self) -> str:
        """Which fold the run is of, in words; empty where there is one split."""
        folds = int(self.study.get("folds") or 1)
        return f"fold {int(self.folder.name.rpartition('-')[2]) + 1} of {folds}" if folds > 1 else ""

    def name(self, design: str, seed: int) -> str:
        """Return what a page calls the run: in a study its design, seed and fold, else its folder.

        Args:
            design: of the run.
            seed: of the run.
        """
        parts = (design, f"seed {seed}", self.fold)
        return ", ".join(filter(None, parts)) if self.study else self.folder.name

    def list_notes(self, task: str) -> list[str]:
        """Return what must be said aloud: measures are of another metric than the study's, or of one fold alone.

        Args:
            task: of the run.
        """
        notes, metric = [], self.study.get("metric")
        if metric not in (None, HEADLINES[task]):
            notes.append(f"Its study compares by {metric}; all that follows is of {HEADLINES[task]}, a mean over rows.")
        if self.fold:
            notes.append(
                f"Its study has a training for each fold: this is the one of {self.fold}, on the rows that this fold "
                "tests. The trainings of the other folds are not shown."
            )
        return notes
