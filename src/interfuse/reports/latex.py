"""A study's leaderboard as a LaTeX table for a paper."""

from interfuse.core.records import StudySummary
from interfuse.evaluation import spell_p
from interfuse.reports.formats import (
    known_costs,
    sort_rows,
    spell_big,
    spell_cost,
    spell_declared,
    spell_delta,
    spell_mean,
)

SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "–": "--",
    "Δ": r"$\Delta$",
    **{mark: rf"\{mark}" for mark in "&%$#_{}"},
}
"""What LaTeX would read as markup, or its fonts may lack."""


def to_latex(summary: StudySummary) -> str:
    """Return the leaderboard as a table of the booktabs package, the best mean in bold, the verdict as its caption."""
    rows = sort_rows(summary)
    metric = rows[0].metric if rows else "score"
    costs = known_costs(summary)
    head = ("design", f"{metric} [95 % CI]", "Δ baseline [95 % CI]", "Holm p", "parameters", "seconds", *costs.values())
    table = rf"\begin{{tabular}}{{lrrrrr{'r' * len(costs)}}}"
    lines = [r"% \usepackage{booktabs}", r"\begin{table}", r"\centering", table, r"\toprule"]
    lines += [_line(head), r"\midrule"]
    for row in rows:
        mean = escape_latex(spell_mean(row))
        best = rf"\textbf{{{mean}}}" if row.mean == rows[0].mean else mean
        more = [spell_big(summary.costs.get(row.design, {}).get(name)) for name in costs]
        others = (spell_delta(row), spell_p(row.p_holm), *spell_cost(row), *more)
        lines.append(" & ".join([escape_latex(row.design), best, *map(escape_latex, others)]) + r" \\")
    caption = " ".join(filter(None, (summary.verdict, spell_declared(summary))))
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{escape_latex(caption)}}}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    """Escape what LaTeX would read as markup, and keep it on one line."""
    return "".join(SPECIAL.get(mark, mark) for mark in " ".join(text.split()))


def _line(cells: tuple[str, ...]) -> str:
    return " & ".join(map(escape_latex, cells)) + r" \\"
