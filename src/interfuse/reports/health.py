"""Training health: gradient norms as a heat map of block × epoch, the verdict's word and the setting that fixes.

The numbers beside the map are those of `vitals`.
"""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from interfuse.reports.curves import History
from interfuse.reports.svg import Frame, Scale, spell_tick
from interfuse.reports.vitals import Vitals, gather_vitals

ROW = 20
"""Height of a block, in pixels."""
COLUMNS = 40
"""Most columns; of more epochs several share one."""
Norms = dict[str, dict[int, float]]
"""Block or layer to epoch to the median over seeds."""


@dataclass(frozen=True)
class Advice:
    """One thing that is wrong, and in how many seeds."""

    word: str
    where: str
    evidence: str
    fix: str
    seeds: int


@dataclass(frozen=True)
class TrainingHealth:
    """What the page shows of one design's training."""

    design: str
    words: list[tuple[str, int]]
    """Verdict to seeds, the most frequent first."""
    seeds: int
    blocks: list[str]
    heat: Markup | None
    advice: list[Advice]
    vitals: list[Vitals]

    @property
    def healthy(self) -> bool:
        """Whether every seed was healthy."""
        return [word for word, _ in self.words] == ["healthy"]


@dataclass(frozen=True)
class Health:
    """The training of every design, and the scale that all of them share."""

    trainings: list[TrainingHealth]
    low: str
    high: str

    @property
    def has_vitals(self) -> bool:
        """Whether any training has more to show than gradient norms."""
        return any(training.vitals for training in self.trainings)


def examine_histories(histories: Mapping[str, History]) -> Health | None:
    """Draw every design's heat map on one scale; None where no history holds a gradient."""
    norms = {design: gather_norms(history) for design, history in histories.items()}
    every = [v for one in norms.values() for values in one.values() for v in values.values() if v > 0]
    if not every:
        return None
    scale = Scale(min(every), max(every), log=True)
    trainings = []
    for design, history in histories.items():
        last = [rows[-1] for rows in history.values() if rows]
        words = Counter(str(row["health"]) for row in last if row.get("health")).most_common()
        heat = draw_heat_map(norms[design], scale, design) if norms[design] else None
        blocks, vitals = list(norms[design]), gather_vitals(history)
        trainings.append(TrainingHealth(design, words, len(history), blocks, heat, gather_advice(last), vitals))
    return Health(trainings, f"{scale.low:.1g}", f"{scale.high:.1g}")


def gather_norms(history: History) -> Norms:
    """Return every block's and layer's gradient norm by epoch, the median over seeds."""
    norms: dict[str, dict[int, list[float]]] = {}
    for rows in history.values():
        for row in rows:
            for part, norm in _parts(row):
                if norm is not None and math.isfinite(norm):
                    norms.setdefault(part, {}).setdefault(int(row["epoch"]), []).append(norm)
    medians = {part: {e: statistics.median(v) for e, v in sorted(by.items())} for part, by in norms.items()}
    order = {part: place for place, part in enumerate(medians)}
    blocks = [part for part in medians if "." not in part]
    rank = {block: place for place, block in enumerate(blocks)}  # a layer stands below its block
    return dict(sorted(medians.items(), key=lambda e: (rank.get(e[0].split(".")[0], len(rank)), order[e[0]])))


def gather_advice(last: Sequence[Mapping[str, Any]]) -> list[Advice]:
    """Gather the findings of the seeds' last rows: the same thing at the same place counts its seeds."""
    findings: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in last:
        for finding in row.get("findings") or []:
            findings.setdefault((finding["word"], finding["where"]), []).append(finding)
    return [Advice(*key, ones[0]["evidence"], ones[0]["fix"], len(ones)) for key, ones in findings.items()]


def draw_heat_map(norms: Norms, scale: Scale, design: str) -> Markup:
    """Draw the norms: a row a block, a column an epoch (or several); deeper colour is a larger norm."""
    epochs = sorted({epoch for values in norms.values() for epoch in values})
    together = -(-len(epochs) // COLUMNS)
    columns = [epochs[at : at + together] for at in range(0, len(epochs), together)]
    frame = Frame(Scale(0, len(columns)), Scale(0, 1), ROW * len(norms))
    wide = f"{100 / len(columns):.3f}%"
    for place, (part, values) in enumerate(norms.items()):
        for at, column in enumerate(columns):
            column_norms = [values[epoch] for epoch in column if epoch in values]
            if not column_norms:
                continue
            norm = statistics.median(column_norms)
            when = f"epoch {column[0]}" if len(column) == 1 else f"epochs {column[0]} to {column[-1]}"
            zero = norm <= 0
            strength = 0 if zero else 0.07 + 0.93 * scale.at(norm)
            frame.add(
                '<rect class="{}" x="{}" y="{}" width="{}" height="{}" fill-opacity="{}"><title>{}</title></rect>',
                *("cell none" if zero else "cell", frame.across(at), ROW * place, wide, ROW),
                *(1 if zero else f"{strength:.2f}", f"{spell_part(part)}, {when}: {norm:.2g}"),
            )
    step = max(1, -(-len(columns) // 8))
    for at in range(0, len(columns), step):
        middle = frame.across(at + 0.5)
        text = spell_tick(columns[at][0])
        frame.add('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>', middle, frame.height + 14, text)
    return frame.close(f"Gradient norm of {len(norms)} blocks of {design} by epoch", left=0, foot=18)


def spell_part(part: str) -> str:
    """Write a block's or layer's name for people.

    >>> spell_part("image_adapter"), spell_part("fusion.layers.0")
    ('image adapter', 'fusion layers 0')
    """
    return part.replace("_", " ").replace(".", " ")


def find_use(history: History) -> tuple[tuple[float, float, float], tuple[float, float, float]] | None:
    """Return (mean, low, high) over seeds of how far image and text move the prediction at the last epoch measured."""
    ends: dict[str, list[float]] = {"image_use": [], "text_use": []}
    for rows in history.values():
        for name, values in ends.items():
            measurements = [row[name] for row in rows if row.get(name) is not None and math.isfinite(row[name])]
            values += measurements[-1:]
    if not ends["image_use"] or not ends["text_use"]:
        return None
    image, text = ((statistics.fmean(values), min(values), max(values)) for values in ends.values())
    return image, text


def _parts(row: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    if row.get("parts"):
        return [(one["part"], one["gradient_norm"]) for one in row["parts"]]
    return list(zip(row.get("block") or [], row.get("gradient_norm") or [], strict=False))
