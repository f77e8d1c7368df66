"""A ranking over data sets as JSON, CSV and Markdown."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Sequence

from interfuse.core.outside import neutral_cell
from interfuse.core.ranking import DataSetDifference, Pooled, RankedDesign, Ranking
from interfuse.evaluation import spell_p, spell_points
from interfuse.reports.formats import escape_markdown, signed

POOLED = ("mean", "low", "high", "p", "plain", "tau", "i2", "q", "q_p", "new_low", "new_high")
COLUMNS = ("design", "role", "verdict", *(f"delta_{name}" for name in POOLED), "p_holm", "rank")


def ranking_to_json(ranking: Ranking) -> str:
    """Return all of it as JSON; fractions 0 to 1, null where there is no value."""
    return json.dumps(dataclasses.asdict(ranking), indent=2, ensure_ascii=False, allow_nan=False)


def ranking_to_csv(ranking: Ranking) -> str:
    """Return a row a design: the pooled difference, then score, difference and rank on every data set."""
    buffer = io.StringIO()
    names = [one.name for one in ranking.data_sets]
    more = [f"{what} {name}" for name in names for what in ("score", "delta", "delta_standard_error", "rank")]
    writer = csv.DictWriter(buffer, fieldnames=[*COLUMNS, *more], lineterminator="\n")
    writer.writeheader()
    for one in ranking.designs:
        row = {name: getattr(one, name) for name in ("design", "role", "verdict", "p_holm", "rank")}
        row |= {f"delta_{name}": getattr(one.pooled, name) if one.pooled else None for name in POOLED}
        for place, name in enumerate(names):
            own = one.differences[place] if one.differences else None
            row |= {f"score {name}": one.scores[place], f"rank {name}": one.ranks[place] if one.ranks else None}
            row |= {f"delta {name}": own.delta if own else None}
            row |= {f"delta_standard_error {name}": own.standard_error if own else None}
        writer.writerow({name: neutral_cell(cell) for name, cell in row.items()})
    return buffer.getvalue()


def ranking_to_markdown(ranking: Ranking) -> str:
    """Return verdict, pooled differences, each data set's, and ranks as Markdown, in points."""
    lines = [f"**{escape_markdown(ranking.verdict)}**", ""]
    lines += [f"- {escape_markdown(detail)}" for detail in ranking.details]
    lines += ["", "## Over data sets", ""]
    head = (
        "design",
        f"Δ {ranking.metric} (95 % CI)",
        "Holm p",
        "verdict",
        "on a new one",
        "plain mean",
        "τ",
        "I²",
        "average rank",
    )
    lines += _table(head, [overall_cells(one) for one in ranking.designs])
    lines += ["", *(f"- {escape_markdown(one.sentence)}" for one in ranking.designs if one.role == "contender")]
    lines += ["", "## On each data set", ""]
    differences = [
        (one.design, *(spell_difference(own) for own in one.differences)) for one in ranking.designs if one.differences
    ]
    lines += _table(("Δ from " + ranking.baseline, *(one.name for one in ranking.data_sets)), differences)
    scores = [(one.design, *(spell_points(score) for score in one.scores)) for one in ranking.designs]
    lines += ["", *_table((ranking.metric, *(one.name for one in ranking.data_sets)), scores)]
    if ranking.test is not None:
        lines += ["", "## Ranks", "", f"- {escape_markdown(spell_critical(ranking))}"]
        if any(pair.p_holm is not None for pair in ranking.pairs):
            pairs = [(p.first, p.second, f"{p.ranks:.2f}", spell_p(p.p_holm)) for p in ranking.pairs]
            lines += ["", *_table(("better by rank", "than", "ranks between", "signed-rank Holm p"), pairs)]
    return "\n".join(lines) + "\n"


def overall_cells(one: RankedDesign) -> tuple[str, ...]:
    """Return what a table says of a design over all data sets."""
    rank = "–" if one.rank is None else f"{one.rank:.2f}"
    if one.pooled is None:
        return (one.design, "–", "–", one.verdict, "–", "–", "–", "–", rank)
    return (
        *(one.design, spell_pooled(one.pooled), spell_p(one.p_holm), one.verdict, spell_new(one.pooled)),
        *(signed(one.pooled.plain), spell_points(one.pooled.tau), f"{100 * one.pooled.i2:.0f} %", rank),
    )


def spell_pooled(pooled: Pooled) -> str:
    """Write a pooled difference with its interval in points: `+1.2 [+0.1, +2.4]`."""
    return f"{signed(pooled.mean)} [{signed(pooled.low)}, {signed(pooled.high)}]"


def spell_new(pooled: Pooled) -> str:
    """Write the prediction interval in points."""
    if pooled.new_low is None or pooled.new_high is None:
        return "–"
    return f"[{signed(pooled.new_low)}, {signed(pooled.new_high)}]"


def spell_difference(one: DataSetDifference) -> str:
    """Write one data set's difference with its interval in points."""
    if not math.isfinite(one.low) or not math.isfinite(one.high):
        return signed(one.delta)
    return f"{signed(one.delta)} [{signed(one.low)}, {signed(one.high)}]"


def spell_critical(ranking: Ranking) -> str:
    """Return the average ranks and how far apart they must be in a sentence; empty where nothing is ranked."""
    if ranking.test is None:
        return ""
    ranked = sorted((one for one in ranking.designs if one.rank is not None), key=lambda one: one.rank or 0.0)
    ranks = ", ".join(f"{one.design} {one.rank:.2f}" for one in ranked)
    width = f"critical difference {ranking.test.critical_difference:.2f}"
    groups = [", ".join(group) for group in ranking.test.groups]
    alike = f" Not shown to differ: {'; '.join(groups)}." if groups else ""
    return f"Average ranks, 1 is best: {ranks}; {width} (Nemenyi).{alike}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(escape_markdown(cell, bare_brackets=True) for cell in head) + " |"]
    lines.append("|---|" + "---:|" * (len(head) - 1))
    return lines + ["| " + " | ".join(escape_markdown(cell, bare_brackets=True) for cell in row) + " |" for row in rows]
