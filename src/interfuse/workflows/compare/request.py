"""What is asked of a comparison in words, read and refused as soon as it can be: before anything is encoded."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import cat

from interfuse.core.design import NEEDS, Design, check_idle, parse_designs, read_designs
from interfuse.core.errors import ConfigError
from interfuse.core.tasks import check_metric, find_metric
from interfuse.evaluation import check_defined
from interfuse.settings import CompareSettings
from interfuse.training import check_contrastive, check_design, check_objective
from interfuse.workflows.compare.floors import FLOORS, LINEAR_FLOORS, Floors, read_floors
from interfuse.workflows.compare.match_parameters import closed
from interfuse.workflows.compare.schedule import Resources
from interfuse.workflows.source import Source
from interfuse.workflows.train import SourceRows

ORIGINALS = "shared_cross_attention,shared_cross_attention:encoder_layers=1,shared_cross_attention:gate=glu"
RIVALS = "merged_attention,cross_attention"
DEFAULT_FUSIONS = f"{FLOORS},{ORIGINALS},{RIVALS}"
"""The floors, the original's designs, and the token-level rivals."""


@dataclass(frozen=True)
class Request:
    """A comparison as it was asked for: designs and floors are read, words name designs or a metric."""

    source: Source
    settings: CompareSettings
    base: Mapping[str, Any]
    """Settings that every design shares."""
    designs: Sequence[Design]
    """Without floors."""
    floors: Floors
    started: float = field(default_factory=time.perf_counter)
    """Seconds on the clock of `time.perf_counter`."""

    @property
    def resources(self) -> Resources:
        """Where the trainings run."""
        return Resources(self.settings.jobs, self.settings.launcher)

    def check(self, rows: SourceRows) -> None:
        """Refuse what these rows do not allow.

        Raises:
            ConfigError: as `check_task`; or the metric is undefined on these rows.
        """
        self.check_task(rows.task, len(rows.label_names))
        metric = find_metric(self.settings.metric, rows.task)
        tests = rows.list_test_labels()
        for labels in tests if self.source.read.resplit else [cat(tests)]:
            check_defined(metric, rows.task, rows.label_names, labels)

    def check_task(self, task: str | None = None, classes: int = 2) -> None:
        """Refuse what no task allows, or what this one does not.

        Args:
            task: of the rows; none: not known yet.
            classes: of the rows, as far as they are known.

        Raises:
            ConfigError: a metric or a design is not known, or a design is not for this task.
        """
        settings = self.settings
        for design in self.designs:
            fitting = -(-design.dim // max(1, design.num_heads)) * design.num_heads
            variant = replace(closed(design), dim=fitting) if settings.match_parameters is not None else closed(design)
            check_design(variant, task or "multiclass", classes)
        may_be = self.floors.add(self.designs, task or "matching")  # which has the most floors
        designs = self.floors.add(self.designs, task or "multiclass")
        if settings.metric is not None:
            check_metric(settings.metric, task)
        if settings.baseline is not None and not _may_become(settings.baseline, may_be, self.base):
            find_baseline(settings.baseline, designs, self.base)
        if settings.primary is not None:
            parts = [part.strip() for part in settings.primary.split(" vs ")]
            alike = len(parts) != 2 or parts[0] == parts[1]
            if alike or not all(_may_become(part, may_be, self.base) for part in parts):
                read_primary(settings.primary, designs, self.base)
        for design in designs if task else ():
            check_objective(design, str(task))
            check_contrastive(design, str(task))


def read_request(settings: CompareSettings, source: Source) -> Request:
    """Read the designs and the words, and refuse what can be refused before the rows are read.

    Args:
        settings: the comparison.
        source: the rows that it is of, not read yet.

    Raises:
        ConfigError: the settings cannot work.
    """
    _check_seeds(settings, source.read.resplit, source.read.folds)
    base = {**settings.base, **source.encoder_settings()}
    designs = _read_designs(settings, base)
    space = settings.space if settings.tune else ""
    check_idle(designs, [name for name, other in NEEDS.items() if f"{other[0]}=" not in space])
    linear = [name for name in LINEAR_FLOORS if not (source.is_known and name == "tfidf")]  # which reads texts
    request = Request(source, settings, base, designs, read_floors(base, linear if settings.linear_floors else ()))
    request.check_task("multiclass" if source.is_known else source.read.task)
    return request


def _check_seeds(settings: CompareSettings, resplit: int | None, folds: int | None) -> None:
    """Refuse seeds beside splits that are made anew, each of which has a seed."""
    if resplit is not None and settings.seeds not in (CompareSettings.seeds, resplit):
        raise ConfigError(
            f"resplit={resplit} trains every design {resplit} times, each on a split and with a seed of its own; "
            f"seeds={settings.seeds} is for one split. Leave out one of the two."
        )
    if resplit is not None and (settings.confirm or settings.until_sure):
        other = "confirm" if settings.confirm else "until_sure"
        raise ConfigError(f"resplit={resplit} splits the rows anew for each seed; {other}=… is for one split.")
    if folds is not None and settings.until_sure:
        raise ConfigError(f"With folds={folds} every seed trains {folds} times; until_sure=… is for one split.")


def _read_designs(settings: CompareSettings, base: Mapping[str, Any]) -> list[Design]:
    """Read the designs that were asked for."""
    if settings.designs and settings.fusions:
        raise ConfigError("Give fusions=… or designs=…, not both: the file can hold every design.")
    if settings.designs:
        return read_designs(settings.designs, base)
    return parse_designs(settings.fusions or DEFAULT_FUSIONS, base)


def find_design(word: str, designs: Sequence[Design], base: Mapping[str, Any]) -> str | None:
    """Return the name of the design that the word names, in any spelling that makes the same design; else None."""
    if any(design.name == word for design in designs):
        return word
    try:
        (other,) = parse_designs(word, base)
    except ValueError:  # not one design, or none that can be read
        return None
    return next((design.name for design in designs if other.name == design.name or other.key == design.key), None)


def find_baseline(word: str, designs: Sequence[Design], base: Mapping[str, Any]) -> str:
    """Return the name of the baseline.

    Raises:
        ConfigError: it is no design of the comparison.
    """
    name = find_design(word, designs, base)
    if name is None:
        names = ", ".join(dict.fromkeys(design.name for design in designs))
        raise ConfigError(f"The baseline {word!r} is no design of this comparison. It has: {names}.")
    return name


def read_primary(text: str | None, designs: Sequence[Design], base: Mapping[str, Any]) -> dict[str, str] | None:
    """Read `first vs second`.

    Raises:
        ConfigError: it is no such contrast of two designs of the comparison.
    """
    if text is None:
        return None
    first, _, second = (part.strip() for part in text.partition(" vs "))
    pair = [find_design(part, designs, base) for part in (first, second)]
    if None in pair or pair[0] == pair[1]:
        raise ConfigError(
            f"primary=… takes two designs of this comparison as 'first vs second', got {text!r}. It has: "
            f"{', '.join(dict.fromkeys(design.name for design in designs))}."
        )
    return {"first": str(pair[0]), "second": str(pair[1])}


def _may_become(word: str, designs: Sequence[Design], base: Mapping[str, Any]) -> bool:
    """Whether the word names a design, or may name one whose hidden width is matched later."""
    if find_design(word, designs, base) is not None:
        return True
    fusion, _, hidden = word.partition(":hidden=")
    return hidden.isdigit() and find_design(f"{fusion}:hidden=match", designs, base) is not None
