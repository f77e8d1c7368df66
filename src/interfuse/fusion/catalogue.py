"""The facts of every mechanism, for `interfuse fusions` and for docs/mechanisms.md."""

import inspect
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from interfuse.core.registry import Entry
from interfuse.core.settings import describe
from interfuse.fusion.base import FUSIONS, FusionMechanism, create_fusion

WIDTHS = {"image_dim": 2048, "text_dim": 768, "fused_dim": 512}
IMAGE_TOKENS, TEXT_TOKENS = 49, 14
SIZES = (
    f"image {IMAGE_TOKENS} × {WIDTHS['image_dim']}, text {TEXT_TOKENS} × {WIDTHS['text_dim']}, fused "
    f"{WIDTHS['fused_dim']}"
)
"""The sizes at which parameters and cost are counted: ResNet-50's grid and a short sentence of BERT."""

INTRO = f"""# Mechanisms

This page is written by `interfuse fusions --out docs/mechanisms.md`; a test keeps it equal to the registry.

Every mechanism keeps the same promises (each sample stands alone, nothing leaks from under a mask, a missing modality
is finite and hidden, every parameter learns, …), equals a slow NumPy reference that shares no code with it, and is made
by `interfuse.create_fusion(name, image_dim=…, text_dim=…, fused_dim=…)`. In the equations `V`, `T` are the image and
text tokens, `v`, `t` their masked means, `⊙` the product channel by channel, `σ` the sigmoid, `LN` layer norm,
`Att(x → y)` multi-head attention of the queries `x` over the keys `y`, `FF` a two-layer feed-forward network.

Parameters and cost (one row, forward, multiplications and additions of matrix products) are counted with default
settings at {SIZES}.
"""


@dataclass(frozen=True)
class Setting:
    """One setting of a mechanism."""

    name: str
    default: str
    """Empty: it must be given."""
    doc: str


@dataclass(frozen=True)
class MechanismFacts:
    """What a list shows of a mechanism."""

    name: str
    family: str
    good_for: str
    reference: str
    oracle: str
    doc: str
    """Docstring: what it does, its equation, its source."""
    parameters: int
    flops: int
    """Of one row's forward pass."""
    settings: tuple[Setting, ...]


def mechanism_facts(name: str) -> MechanismFacts:
    """Collect the facts of one mechanism.

    Raises:
        ConfigError: the name is not known.
    """
    entry = FUSIONS.entry(name)
    with torch.device("meta"):
        fuse = create_fusion(name, **WIDTHS).eval().requires_grad_(False)
        image = torch.zeros(1, IMAGE_TOKENS, WIDTHS["image_dim"])
        text = torch.zeros(1, TEXT_TOKENS, WIDTHS["text_dim"])
        with FlopCounterMode(display=False) as counter:
            fuse(image, text)
    return MechanismFacts(
        name,
        entry.family,
        entry.good_for,
        entry.reference,
        entry.oracle,
        inspect.getdoc(entry.build) or "",
        sum(p.numel() for p in fuse.parameters()),
        counter.get_total_flops(),
        _settings(entry),
    )


def _settings(entry: Entry[FusionMechanism]) -> tuple[Setting, ...]:
    docs: dict[str, str] = {}
    for config in reversed(entry.config.__mro__[:-1]):
        docs |= describe(config)
    settings = []
    for name, field in entry.config.__dataclass_fields__.items():
        default = "" if repr(field.default).startswith("<dataclasses._MISSING") else repr(field.default)
        settings.append(Setting(name, default, docs.get(name, "")))
    return tuple(settings)


def mechanisms_page() -> str:
    """Write docs/mechanisms.md."""
    facts = [mechanism_facts(name) for name in FUSIONS.names()]
    lines = [INTRO, "| name | family | parameters | Mflop | good for |", "|---|---|---:|---:|---|"]
    lines += [
        f"| [`{f.name}`](#{f.name}) | {f.family} | {f.parameters:,} | {f.flops / 1e6:,.1f} | {f.good_for} |"
        for f in facts
    ]
    for f in facts:
        lines += ["", f"## {f.name}", "", *_plain(f.doc), "", f"Checked besides against: {f.oracle}.", ""]
        lines += ["| setting | default | meaning |", "|---|---|---|"]
        own = [s for s in f.settings if s.name not in WIDTHS]
        rows = own or [Setting("–", "–", "none beside the widths")]
        lines += [f"| {_code(s.name)} | {_code(s.default)} | {s.doc} |" for s in rows]
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    return text if text == "–" else f"`{text}`"


def _plain(doc: str) -> list[str]:
    """Turn a docstring's sections into Markdown: their titles bold, their text not indented."""
    lines = []
    for line in doc.split("\n"):
        title = line.endswith(":") and line.strip() == line and " " not in line
        lines.append(f"**{line}**" if title else line.removeprefix("    "))
    return lines
