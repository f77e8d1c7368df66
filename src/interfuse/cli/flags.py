"""Settings in sentences: below the command line they are named as Python names them, here as one types them."""

import re
from dataclasses import fields

from interfuse.cli.settings import RARE, flag
from interfuse.core.design import Design
from interfuse.settings import (
    FINETUNE_NAMES,
    CompareSettings,
    DiagnoseSettings,
    EncoderSettings,
    FinetuneSettings,
    SourceSettings,
    StreamSettings,
)

CONFIGS = (
    *(SourceSettings, EncoderSettings, Design, FinetuneSettings),
    *(CompareSettings, StreamSettings, DiagnoseSettings),
)
UNTYPED = {*RARE, "base", "finetuned", "fusion", "name", "portion", "settings"}
"""Fields that are no option of every command that has their settings."""
ARGUMENTS = {"allowed_host", "examples", "format", "out", "shard", "start_from", "whole", *FINETUNE_NAMES.values()}
"""Options that are no field of the settings."""
RENAMED = {"format": "to"}
"""What a command calls otherwise than Python: `export --to torch`."""
NAMES = {field.name for config in CONFIGS for field in fields(config)} - UNTYPED | ARGUMENTS
ASSIGNMENT = re.compile(rf"(?<![\w:+/.=\-'\"`])({'|'.join(sorted(NAMES))})=(…|[^\s,;()'\"]*[^\s,;().:'\"])")


def spell_flags(sentence: str) -> str:
    """Spell the settings of a sentence as options; what belongs to a design, as `concat:dim=64`, stays.

    >>> spell_flags("Fix: clip=1, residual=True or another out=…. The design is concat:dim=64.")
    'Fix: --clip 1, --residual or another --out. The design is concat:dim=64.'
    """
    return ASSIGNMENT.sub(lambda match: _spell(match[1], match[2]), sentence)


def _spell(name: str, value: str) -> str:
    name = RENAMED.get(name, name)
    if value in ("True", "False"):
        return flag(name if value == "True" else f"no_{name}")
    return flag(name) if value == "…" else f"{flag(name)} {value}"
