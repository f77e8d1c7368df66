"""Where rows come from: what they are, how they are read, and how they are encoded."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from interfuse.core.errors import ConfigError
from interfuse.data import COLLECTIONS, SourceSettings
from interfuse.settings import EncoderSettings

DESIGN_FIELDS = ("image_encoder", "text_encoder", "image_size", "store_dtype", "store_dim")
"""Encoders' settings that a design records."""
UNHEEDED = tuple(name for name in SourceSettings.__dataclass_fields__ if name not in ("seed", "task"))
"""Settings of rows that a known-answer task has no use for."""


@dataclass(frozen=True)
class Source:
    """Rows, how to read them, and how to encode them."""

    data: Any
    """A file, a built-in name, or a data frame."""
    read: SourceSettings = field(default_factory=SourceSettings)
    encode: EncoderSettings = field(default_factory=EncoderSettings)

    @property
    def is_known(self) -> bool:
        """Whether this is a known-answer task, whose tokens need no encoder."""
        return isinstance(self.data, str) and self.data.startswith("known:")

    def check_known(self) -> None:
        """Refuse settings that a known-answer task, which has its own labels, splits and tokens, would not heed.

        Raises:
            ConfigError: there is one.
        """
        if not self.is_known:
            return
        read, encode, plain = self.read, self.encode, EncoderSettings(store=self.encode.store)
        names = [name for name in UNHEEDED if getattr(read, name) != getattr(SourceSettings(), name)]
        names += [name for name in DESIGN_FIELDS if getattr(encode, name) != getattr(plain, name)]
        names += ["task"] if read.task not in (None, "multiclass") else []
        if names:
            options = ", ".join(f"{name}=…" for name in names)
            raise ConfigError(
                f"{self.data} is made of tokens, with labels and splits of its own: {options} would change nothing. "
                f"Leave {'it' if len(names) == 1 else 'them'} out."
            )

    def encoder_settings(self) -> dict[str, Any]:
        """Return what a design records of the encoders."""
        if self.is_known:
            return {"image_encoder": "known", "text_encoder": "known", "image_size": None}
        return {name: getattr(self.encode, name) for name in DESIGN_FIELDS}


def with_absolute_paths(source: Source) -> Source:
    """Write every path from the root: a worker of a cluster that was started elsewhere stands in another folder."""
    read, encode = source.read, source.encode
    data = source.data
    if isinstance(data, str | Path):
        prefix, colon, rest = str(data).partition(":")
        kind = f"{prefix}:" if colon and prefix in COLLECTIONS else ""
        name = rest if kind else str(data)
        # a pattern of shards is a path with stars in it; a dataset's name or a built-in is no path
        data = f"{kind}{os.path.abspath(name)}" if kind == "wds:" or os.path.exists(name) else data
    files = {
        what: os.path.abspath(path)
        for what in ("image_folder", "unpack_to", "validation", "test")
        if (path := getattr(read, what)) is not None
    }
    if read.join and ":" in read.join:
        name, _, keys = read.join.rpartition(":")
        files["join"] = f"{os.path.abspath(name)}:{keys}"
    towers = {
        what: os.path.abspath(name)
        for what in ("image_encoder", "text_encoder")
        if os.path.isdir(name := getattr(encode, what))
    }
    encode = replace(encode, store=Path(encode.store).absolute(), **towers)
    return Source(data, replace(read, **files), encode)
