"""Where rows come from: what they are, how they are read, and how they are encoded."""

from dataclasses import dataclass, field
from typing import Any

from interfuse.core.errors import ConfigError
from interfuse.data import SourceSettings
from interfuse.workflows.encoder_settings import EncoderSettings

TOLD = ("image_encoder", "text_encoder", "image_size", "store_dtype", "store_dim")
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
        given = [name for name in UNHEEDED if getattr(read, name) != getattr(SourceSettings(), name)]
        given += [name for name in TOLD if getattr(encode, name) != getattr(plain, name)]
        given += ["task"] if read.task not in (None, "multiclass") else []
        if given:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise ConfigError(
                f"{self.data} is made of tokens, with labels and splits of its own: {options} would change nothing. "
                f"Leave {'it' if len(given) == 1 else 'them'} out."
            )

    def encoder_settings(self) -> dict[str, Any]:
        """Give what a design records of the encoders."""
        if self.is_known:
            return {"image_encoder": "known", "text_encoder": "known", "image_size": None}
        return {name: getattr(self.encode, name) for name in TOLD}
