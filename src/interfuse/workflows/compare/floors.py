"""What every comparison shows beside the designs that were asked for: floors, and the rival of token attention."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interfuse.core.design import Design, make_design, parse_designs
from interfuse.fusion import FUSIONS

FLOORS = "image_only,text_only,concat,concat:hidden=match"
"""`match` becomes the width that gives as many parameters as the largest design has."""
LINEAR_FLOORS = ("tfidf", "logistic_image", "logistic_text", "logistic")
"""Linear models, which a practitioner would fit first."""
LINEAR_WORK = 100_000
"""Most train rows times classes for which linear floors are added unasked: half a minute together."""
MATCHING_FLOOR = "two_tower:contrastive=1"
"""What every comparison of matching shows besides."""
RIVAL = "merged_attention"
"""What every comparison shows in which a fusion looks at tokens: attention without a direction."""


@dataclass(frozen=True)
class Floors:
    """The floors and the rival of one comparison, with the settings that all its designs share."""

    always: Sequence[Design]
    """As `FLOORS`; the last is the one of matched size."""
    towers: Design
    """`MATCHING_FLOOR`."""
    rival: Design
    linear: Sequence[Design] = ()
    """Of `LINEAR_FLOORS` those that these rows allow."""

    def add(self, designs: Sequence[Design], task: str, linear: bool = True) -> list[Design]:
        """Put the floors that are not there before the designs that were asked for, and the rivals behind.

        A unimodal control or a linear `concat` that was asked for, whatever its settings, stands for its floor. A
        `concat` with a hidden layer of another width does not stand for the matched one, nor two towers without a
        contrastive loss for those with one.

        Args:
            designs: those that were asked for.
            task: of the rows.
            linear: whether the linear floors are added.
        """
        kinds = {_kind(design) for design in designs}
        floors = [design for design in [*self.always, *(self.linear if linear else ())] if _kind(design) not in kinds]
        rivals = []
        if any(_looks_at_tokens(design) for design in designs) and all(design.fusion != RIVAL for design in designs):
            rivals.append(self.rival)
        if task == "matching" and not any(design.fusion == "two_tower" and design.contrastive for design in designs):
            rivals.append(self.towers)
        return [*floors, *designs, *rivals]

    def names(self, designs: Sequence[Design]) -> set[str]:
        """Return the names of floors that are none by their kind alone; two towers that were asked for are judged."""
        return {self.always[-1].name, self.towers.name} - {
            design.name for design in designs if design.fusion == "two_tower"
        }


def read_floors(base: Mapping[str, Any], linear: Sequence[str] = LINEAR_FLOORS) -> Floors:
    """Read the floors and the rival on top of the settings that every design shares.

    Args:
        base: these settings.
        linear: the linear floors.
    """
    (towers,), (rival,) = (parse_designs(text, base) for text in (MATCHING_FLOOR, RIVAL))
    return Floors(parse_designs(FLOORS, base), towers, rival, [make_design(name, {}, base) for name in linear])


def is_baseline_kind(design: Design) -> bool:
    """Whether the design is a `concat` with a hidden layer."""
    return design.fusion == "concat" and bool(design.settings.get("hidden"))


def name_role(design: Design, baseline: str, floors: set[str]) -> str:
    """Return what a design is in its comparison: baseline, floor or contender."""
    if design.name == baseline:
        return "baseline"
    by_kind = design.linear or (design.fusion in ("image_only", "text_only", "concat") and not _hidden(design))
    return "floor" if by_kind or design.name in floors else "contender"


def _kind(design: Design) -> tuple[str, str, str]:
    return design.fusion, design.model, _hidden(design)


def _hidden(design: Design) -> str:
    return str(design.settings.get("hidden") or "")


def _looks_at_tokens(design: Design) -> bool:
    mechanism = FUSIONS.entry(design.fusion).build
    return not mechanism.pools and design.pool != "mean" and len(mechanism.modalities) == 2
