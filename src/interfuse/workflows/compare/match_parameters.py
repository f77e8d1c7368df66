"""Designs of equal size: widths chosen so that parameter counts agree."""

from dataclasses import replace

import torch

from interfuse.core.design import Design, make_design
from interfuse.core.errors import ConfigError
from interfuse.core.settings import to_plain
from interfuse.training import Network, count_parameters, match_hidden
from interfuse.workflows.train import TrainingSet

FARTHEST = 2
"""A design that many times larger or smaller than the target is not of its size."""
WIDEST = 4096
"""Largest width that is tried."""


def count_of(design: Design, training_set: TrainingSet) -> int:
    """Count the parameters that a design would train."""
    features = training_set.features
    specs = training_set.fold(design, 0)[1]
    with torch.device("meta"):
        image, text = (replace(spec, mean=torch.zeros(spec.dim), std=torch.ones(spec.dim)) for spec in specs)
        return count_parameters(Network(design, image, text, len(features.label_names), features.task))


def match_concat(designs: list[Design], training_set: TrainingSet) -> list[Design]:
    """Resolve `hidden=match` to the width that gives concat as many parameters as the largest other design."""
    sizes = [count_of(design, training_set) for design in designs if not _is_open(design) and not design.linear]
    return [_fill(design, max(sizes, default=1), training_set) if _is_open(design) else design for design in designs]


def _is_open(design: Design) -> bool:
    return design.settings.get("hidden") == "match"


def closed(design: Design) -> Design:
    """Return the design itself; one with `hidden=match`, whose width is not known yet, with some width."""
    return replace(design, settings={**design.settings, "hidden": 1}) if _is_open(design) else design


def _fill(design: Design, target: int, training_set: TrainingSet) -> Design:
    hidden = match_hidden(design, *training_set.fold(design, 0)[1], len(training_set.features.label_names), target)
    plain = {name: value for name, value in to_plain(design).items() if name not in ("fusion", "settings", "name")}
    variant = make_design(design.fusion, {**design.settings, "hidden": hidden}, plain)
    return replace(variant, name=design.name.replace("match", str(hidden)))


def match_all(designs: list[Design], training_set: TrainingSet, target: str) -> tuple[list[Design], list[str]]:
    """Widen or narrow `dim` of every design until it has as many parameters as the target, as nearly as heads allow.

    A design keeps its name. One whose size does not depend on `dim` enough is brought as near as it comes, and said.

    Args:
        designs: of one study, `hidden=match` not yet resolved: that one is matched by its hidden layer.
        training_set: their rows.
        target: a count, such as 500000, or the name of a design.

    Returns:
        The designs, and a sentence for each that stays more than a tenth away.

    Raises:
        ConfigError: the target is neither, or a design stays more than a factor of two away from it.
    """
    count = _read_target(designs, training_set, target)
    matches, notes = [], []
    for design in designs:
        if design.linear:  # its size is that of the features
            matches.append(design)
            continue
        if _is_open(design):
            variant = _fill(design, count, training_set)
        else:
            variant = design if design.name == target else _widen(design, training_set, count)
        size = count_of(variant, training_set)
        if max(size, count) > FARTHEST * min(size, count):
            raise ConfigError(
                f"{design.name} has {size:,} parameters at the nearest that it comes (dim={variant.dim}); {count:,} is "
                "more than twice away. Give match_parameters=… a count that every design can have, or a design's name."
            )
        if abs(size - count) > count / 10:
            notes.append(f"{design.name} has {size:,} parameters at dim={variant.dim}; {count:,} cannot be met nearer.")
        matches.append(variant)
    return matches, notes


def _read_target(designs: list[Design], training_set: TrainingSet, target: str) -> int:
    by_name = {design.name: design for design in designs if not _is_open(design)}
    if target in by_name:
        return count_of(by_name[target], training_set)
    if target.isdigit() and int(target) > 0:
        return int(target)
    raise ConfigError(
        f"Parameters are matched to a count or to a design of this study, got {target!r}. It has: {', '.join(by_name)}."
    )


def _widen(design: Design, training_set: TrainingSet, count: int) -> Design:
    """Search the multiples of the heads by halves, then the neighbours: a mechanism may refuse some widths."""
    low, high = 1, WIDEST // design.num_heads
    while low < high:
        middle = (low + high) // 2
        size = _size(design, training_set, middle)
        low, high = (middle + 1, high) if size is not None and size < count else (low, middle)
    near = [step for step in range(low - 4, low + 5) if 1 <= step <= WIDEST // design.num_heads]
    sizes = {step: size for step in near if (size := _size(design, training_set, step)) is not None}
    best = min(sizes, key=lambda step: abs(sizes[step] - count))
    return replace(design, dim=best * design.num_heads)


def _size(design: Design, training_set: TrainingSet, step: int) -> int | None:
    try:
        return count_of(replace(design, dim=step * design.num_heads), training_set)
    except ConfigError:
        return None
