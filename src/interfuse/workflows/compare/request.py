"""What is asked of a comparison in words, read and refused as soon as it can be: before anything is encoded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from interfuse.core.design import Design, parse_designs
from interfuse.core.errors import ConfigError
from interfuse.core.tasks import TASKS
from interfuse.evaluation import check_defined, find_metric
from interfuse.training import check_contrastive, check_design, check_objective
from interfuse.workflows.compare.floors import add_floors
from interfuse.workflows.compare.match_parameters import closed


@dataclass(frozen=True)
class Request:
    """The designs that were asked for, and the words that name designs or a metric."""

    designs: Sequence[Design]
    """Without floors."""
    base: Mapping[str, Any]
    """Settings that every design shares."""
    metric: str | None = None
    baseline: str | None = None
    primary: str | None = None
    matched: bool = False
    """Whether `dim` will be chosen so that all are of one size."""

    def check(self, task: str | None = None, classes: int = 2) -> None:
        """Refuse what no task allows, or what this one does not.

        Args:
            task: of the rows; none: not known yet.
            classes: of the rows, as far as they are known.

        Raises:
            ConfigError: a metric or a design is not known, or a design is not for this task.
        """
        for design in self.designs:
            fitting = -(-design.dim // max(1, design.num_heads)) * design.num_heads
            sized = replace(closed(design), dim=fitting) if self.matched else closed(design)
            check_design(sized, task or "multiclass", classes)
        may_be = add_floors(self.designs, self.base, task or "matching")  # which has the most floors
        designs = add_floors(self.designs, self.base, task or "multiclass")
        if self.metric is not None:
            _check_metric(self.metric, task)
        if self.baseline is not None and not _may_become(self.baseline, may_be, self.base):
            find_baseline(self.baseline, designs, self.base)
        if self.primary is not None:
            parts = [part.strip() for part in self.primary.split(" vs ")]
            alike = len(parts) != 2 or parts[0] == parts[1]
            if alike or not all(_may_become(part, may_be, self.base) for part in parts):
                read_primary(self.primary, designs, self.base)
        for design in designs if task else ():
            check_objective(design, str(task))
            check_contrastive(design, str(task))

    def look(self, task: str, label_names: Sequence[str], labels: Tensor) -> None:
        """Refuse what these rows do not allow.

        Args:
            task: of the rows.
            label_names: of the rows.
            labels: of the test rows of all folds, as `Features.labels`.

        Raises:
            ConfigError: as `check`; or the metric is undefined on these rows.
        """
        self.check(task, len(label_names))
        check_defined(find_metric(self.metric, task), task, label_names, labels)


def find_design(word: str, designs: Sequence[Design], base: Mapping[str, Any]) -> str | None:
    """Return the name of the design that the word names, in any spelling that makes the same design; else None."""
    if any(design.name == word for design in designs):
        return word
    try:
        (read,) = parse_designs(word, base)
    except ValueError:  # not one design, or none that can be read
        return None
    return next((design.name for design in designs if read.name == design.name or read.key == design.key), None)


def find_baseline(word: str, designs: Sequence[Design], base: Mapping[str, Any]) -> str:
    """Return the name of the baseline.

    Raises:
        ConfigError: it is no design of the comparison.
    """
    found = find_design(word, designs, base)
    if found is None:
        names = ", ".join(dict.fromkeys(design.name for design in designs))
        raise ConfigError(f"The baseline {word!r} is no design of this comparison. It has: {names}.")
    return found


def read_primary(text: str | None, designs: Sequence[Design], base: Mapping[str, Any]) -> dict[str, str] | None:
    """Read `first vs second`.

    Raises:
        ConfigError: it is no such contrast of two designs of the comparison.
    """
    if text is None:
        return None
    first, _, second = (part.strip() for part in text.partition(" vs "))
    found = [find_design(part, designs, base) for part in (first, second)]
    if None in found or found[0] == found[1]:
        raise ConfigError(
            f"--primary takes two designs of this comparison as 'first vs second', got {text!r}. It has: "
            f"{', '.join(dict.fromkeys(design.name for design in designs))}."
        )
    return {"first": str(found[0]), "second": str(found[1])}


def _may_become(word: str, designs: Sequence[Design], base: Mapping[str, Any]) -> bool:
    """Whether the word names a design, or may name one whose hidden width is matched later."""
    if find_design(word, designs, base) is not None:
        return True
    fusion, _, hidden = word.partition(":hidden=")
    return hidden.isdigit() and find_design(f"{fusion}:hidden=match", designs, base) is not None


def _check_metric(word: str, task: str | None) -> None:
    if task is not None:
        find_metric(word, task)
        return
    told = []
    for one in TASKS:
        try:
            find_metric(word, one)
        except ConfigError as error:
            told.append(str(error).partition(";")[0])
        else:
            return
    raise ConfigError(f"No task has the metric {word!r}. {'. '.join(told)}.")
