"""Reports from records alone: every number shown, nothing that a name could inject, nothing loaded from outside."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from interfuse.core.records import LeaderboardRow, StudySummary
from interfuse.reports import print_summary, to_csv, to_html, to_json, to_markdown

EVIL = "</script><script>alert(1)</script>"


def row(design: str, mean: float, verdict: str, delta: float | None = None) -> LeaderboardRow:
    low, high = (None, None) if delta is None else (delta - 0.01, delta + 0.01)
    spread = {"ci_low": mean - 0.02, "ci_high": min(1.0, mean + 0.02)}
    return LeaderboardRow(
        design=design,
        fusion=design.split(":")[0],
        baseline=delta is None,
        metric="accuracy",
        mean=mean,
        **spread,
        seeds=3,
        parameters=1_234_567,
        train_seconds=12.34,
        delta=delta,
        delta_ci_low=low,
        delta_ci_high=high,
        p_holm=None if delta is None else 0.0004,
        verdict=verdict,
    )


@pytest.fixture
def summary() -> StudySummary:
    rows = [row("cross_attention", 0.984, "wins", 0.112), row("concat:hidden=9", 0.872, "baseline")]
    epoch = {"block": ["image_adapter", "text_adapter", "fusion", "head"], "gradient_norm": [0.1, 0.2, 0.3, 0.4]}
    curve = [{**epoch, "epoch": n, "validation_score": 0.5 + n / 10} for n in (1, 2)]
    study = {
        "command": "interfuse compare rows.csv",
        "seeds": [0, 1, 2],
        "versions": {"torch": "2.13"},
        "data": {
            "source": "rows.csv",
            "task": "multiclass",
            "label_names": ["a", "b"],
            "rows": {"train": 1000, "test": 200},
            "notes": [f"a note {EVIL}"],
            "fingerprint": "abc123",
        },
    }
    histories = {name: {0: curve, 1: curve} for name in ("cross_attention", "concat:hidden=9")}
    return StudySummary(study, rows, "Fusion beats text only (Δ 31.2).", ["Both were chosen on validation."], histories)


def test_json_is_a_list_of_objects_with_the_promised_fields(summary):
    rows = json.loads(to_json(summary))
    assert rows[0]["design"] == "cross_attention"
    assert (rows[0]["mean"], rows[0]["delta"], rows[0]["verdict"]) == (0.984, 0.112, "wins")
    assert rows[1]["delta"] is None
    assert rows[1]["baseline"] is True


def test_csv_reads_back_to_the_same_rows(summary):
    rows = list(csv.DictReader(io.StringIO(to_csv(summary))))
    assert [r["design"] for r in rows] == ["cross_attention", "concat:hidden=9"]
    assert float(rows[0]["delta_ci_low"]) == pytest.approx(0.102)


def test_markdown_speaks_in_points(summary):
    text = to_markdown(summary)
    assert "**Fusion beats text only (Δ 31.2).**" in text
    assert "| cross_attention | 98.4 [96.4, 100.0] | +11.2 [+10.2, +12.2] | < 0.001 | wins | 1,234,567 | 12.3 |" in text


def test_a_bar_in_a_name_does_not_break_a_markdown_row(summary):
    broken = replace(summary, rows=[replace(summary.rows[0], design="a|b")])
    line = next(line for line in to_markdown(broken).splitlines() if "98.4" in line)
    assert len(re.split(r"(?<!\\)\|", line)) == 9


@pytest.mark.parametrize("width", [70, 140])
def test_the_terminal_table_has_every_design_and_the_verdict(summary, width):
    console = Console(width=width, record=True, file=io.StringIO())
    print_summary(summary, console)
    text = console.export_text()
    assert "cross_attention" in text.replace("\n", "")
    assert "98.4 [96.4, 100.0]" in text
    assert "Fusion beats text only" in text
    assert "1,234,567" in text


def test_the_page_has_every_figure_and_the_data_card(summary):
    page = to_html(summary)
    assert page.count("Score against") == 2
    assert page.count("Validation score of") == 2
    assert page.count("Gradient norm of") == 2
    for shown in (
        "98.4",
        "[96.4, 100.0]",
        "+11.2",
        "[+10.2, +12.2]",
        "1,234,567",
        "abc123",
        "torch 2.13",
        "&lt; 0.001",
    ):
        assert shown in page
    assert len(page) < 8_000_000


def test_nothing_in_a_name_becomes_markup(summary):
    evil = replace(summary.rows[0], design=EVIL)
    histories = {EVIL: summary.histories["cross_attention"]}
    page = to_html(replace(summary, rows=[evil], verdict=EVIL, histories=histories))
    assert EVIL not in page
    assert page.count("</script>") == 1


def test_the_page_asks_nothing_of_the_outside(summary):
    page = to_html(summary)
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", markup)
    assert "default-src 'none'" in page


def test_a_study_without_curves_or_facts_is_shown_too(summary):
    bare = StudySummary({}, [replace(summary.rows[0], ci_low=None, ci_high=None)], "No verdict.")
    assert "98.4" in to_html(bare)
    assert "98.4" in to_markdown(bare)
