"""Names that a setting may have, known without importing what they name."""

import re
import sys
from functools import cache
from pathlib import Path

from interfuse.core.errors import ConfigError, unknown

IMAGE_ENCODERS = ("efficientnet-lite0", "efficientnet-lite0-stride16", "resnet50")
TEXT_ENCODERS = ("minilm", "bert-base-uncased")
"""Encoders that have a short name; any of the hub, or in a folder, has another."""
FILED = re.compile(r"^@FUSIONS\.register\(\s*\"(\w+)\"", re.MULTILINE)
"""How a mechanism is filed, in its source."""


@cache
def fusion_names() -> tuple[str, ...]:
    """Return the names of the library's own fusion mechanisms, read from the decorators that file them.

    The decorators are the one list; importing them, and torch with them, would take seconds.
    """
    sources = (Path(__file__).parents[1] / "fusion").glob("*.py")
    return tuple(sorted(name for source in sources for name in FILED.findall(source.read_text(encoding="utf-8"))))


def check_fusion(name: str, hint: str = "") -> None:
    """Refuse a fusion mechanism that is not known: to the registry where it is loaded, which may hold more, or to us.

    Args:
        name: of the mechanism.
        hint: what the error says besides.

    Raises:
        ConfigError: there is none of that name.
    """
    list_fusions = getattr(sys.modules.get("interfuse.fusion"), "list_fusions", fusion_names)
    names = list_fusions()
    if name not in names:
        raise ConfigError(unknown("fusion mechanism", name, names) + hint)
