"""What is refused before the libraries that do the work are imported, which takes seconds."""

from collections.abc import Mapping
from typing import Any

from interfuse.core.design import Design, parse_designs, read_designs
from interfuse.core.tasks import check_metric
from interfuse.settings import CompareSettings, check_fusion


def check_designs(designs: list[Design]) -> None:
    """Refuse designs of no mechanism.

    Raises:
        ConfigError: there is no such mechanism.
    """
    for design in designs:
        check_fusion(design.fusion)


def check_comparison(settings: CompareSettings, base: Mapping[str, Any], task: str | None) -> None:
    """Refuse designs and a metric that are not known.

    Args:
        settings: what is asked for.
        base: settings that every design shares.
        task: of the rows, where it is said.

    Raises:
        ConfigError: there is no such mechanism or metric, or a design cannot be read.
    """
    if settings.designs is None and settings.fusions is not None:
        check_designs(parse_designs(settings.fusions, base))
    elif settings.designs is not None and settings.fusions is None:
        check_designs(read_designs(settings.designs, base))
    if settings.metric is not None:
        check_metric(settings.metric, task)
