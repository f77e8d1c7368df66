"""Settings of a comparison in a file."""

import tomllib
from pathlib import Path
from typing import Any

from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, unknown
from interfuse.data import SourceSettings
from interfuse.workflows.compare.compare import CompareSettings
from interfuse.workflows.source import EncoderSettings


def read_config(path: Path) -> dict[str, Any]:
    """Return the settings in a TOML file by their names: `data`, and fields of the settings' dataclasses.

    Raises:
        ConfigError: the file cannot be read, or a name is not known.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"Cannot read settings from {path}: {error}.") from error
    known = {"data"}
    for config in (SourceSettings, EncoderSettings, CompareSettings, Design):
        known |= set(config.__dataclass_fields__)
    for name in values:
        if name not in known:
            raise ConfigError(f"{path}: {unknown('setting', name, known)}")
    return values
