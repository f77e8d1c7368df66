"""JSON, CSV and Markdown: every field, no markup, the best first."""

import csv
import dataclasses
import io
import json
import math
import re

import pytest

from interfuse.evaluation import spell_p
from interfuse.reports import to_csv, to_html, to_json, to_latex, to_markdown
from interfuse.reports.formats import signed, spell_delta, spell_mean
from interfuse.reports.latex import escape_latex
from tests.reports.conftest import NASTY, row

KEYS = [
    *("design", "fusion", "baseline", "metric", "mean", "ci_low", "ci_high", "seeds", "parameters", "train_seconds"),
    *("delta", "delta_ci_low", "delta_ci_high", "p_holm", "verdict", "beats", "detectable", "needed"),
    *("flops", "latency_ms", "memory_mb", "study_verdict", "primary"),
]


def test_json_is_a_list_of_objects_with_every_key_and_fractions_the_best_first(summary):
    found = json.loads(to_json(summary))
    assert [list(entry) for entry in found] == [[*KEYS, "metrics"]] * 4
    assert [entry["design"] for entry in found] == [NASTY, "concat:hidden=512", "text_only", "majority"]
    assert (found[0]["mean"], found[0]["delta"], found[0]["baseline"]) == (0.912, 0.111, False)
    assert (found[1]["delta"], found[1]["p_holm"], found[1]["baseline"]) == (None, None, True)


def test_json_has_null_where_a_number_is_not_finite(summary):
    broken = dataclasses.replace(summary.rows[0], train_seconds=math.nan, ci_high=math.inf)
    found = json.loads(to_json(dataclasses.replace(summary, rows=[broken])))
    assert (found[0]["train_seconds"], found[0]["ci_high"]) == (None, None)


def test_csv_has_the_columns_of_the_json(summary):
    found = list(csv.DictReader(io.StringIO(to_csv(summary))))
    assert list(found[0]) == KEYS
    assert (found[0]["design"], found[1]["delta"]) == (NASTY, "")


def test_every_metric_of_a_task_stands_beside_the_headline(summary):
    rows = [
        dataclasses.replace(r, metrics={"accuracy": r.mean, "AUC": 0.5}) if r.parameters else r for r in summary.rows
    ]
    rows[1].metrics["MSE"] = 123456.7
    several = dataclasses.replace(summary, rows=rows)
    found = list(csv.DictReader(io.StringIO(to_csv(several))))
    assert list(found[0]) == [*KEYS, "test accuracy", "test AUC", "test MSE"]
    assert (found[0]["test AUC"], found[0]["test MSE"], found[3]["test AUC"]) == ("0.5", "", "")
    assert json.loads(to_json(several))[1]["metrics"] == {"accuracy": 0.801, "AUC": 0.5, "MSE": 123456.7}
    text = to_markdown(several)
    assert "| design | accuracy | AUC | MSE |" in text
    assert "| concat:hidden=512 | 0.8010 | 0.5000 | 1.235e+05 |" in text
    assert "| text_only | 0.6700 | 0.5000 | – |" in text
    page = to_html(several)
    assert "Every metric on test" in page
    assert "1.235e+05" in page
    assert "Every metric on test" not in to_html(summary)


def test_markdown_tells_verdict_table_data_and_origin(summary):
    text = to_markdown(summary)
    assert text.startswith("**Fusion beats text only")
    assert "| 80.1 [79.1, 81.3] | – | – | baseline | 1,234,567 | 12.3 |" in text
    assert "| text_only | 67.0 [66.0, 68.2] | −13.1 [−15.1, −11.1] | 0.037 | floor | 60,000 | 0.4 |" in text
    for line in ("- train rows: 6,000", "- rows in trouble (quarantine.csv): 2", "- seeds: 0, 1, 2", "feed"):
        assert line in text


def test_markdown_lets_no_name_be_markup_or_break_the_table(summary):
    text = to_markdown(summary)
    assert "<script" not in text
    table = [line for line in text.splitlines() if line.startswith("| ")]
    assert [line.replace("\\|", "").count("|") for line in table] == [8] * 5
    assert "\\*b\\*" in text


def test_points_have_one_decimal_a_true_minus_and_no_signed_zero():
    assert [signed(value) for value in (0.012, -0.004, 0.0001, -0.0001)] == ["+1.2", "−0.4", "0.0", "0.0"]


def test_a_negative_mean_has_a_true_minus():
    assert spell_mean(row("a", -0.031)) == "−3.1 [−4.1, −1.9]"
    assert spell_mean(row("a", -0.0001, ci_low=None)) == "0.0"


def test_what_has_no_interval_shows_none():
    bare = row("a", 0.5, 0.1, ci_low=None, delta_ci_low=None, p_holm=0.0004)
    assert (spell_mean(bare), spell_delta(bare), spell_p(bare.p_holm)) == ("50.0", "+10.0", "< 0.001")


@pytest.mark.parametrize("write", [to_json, to_csv, to_markdown])
def test_an_empty_study_is_written_all_the_same(empty, write):
    assert write(empty)


def test_latex_has_a_row_a_design_the_best_in_bold_and_no_bare_mark(summary):
    text = to_latex(summary)
    body = text[text.index("\\midrule") : text.index("\\bottomrule")].splitlines()[1:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(r"\\"))] for line in body]
    assert [len(row) for row in cells] == [6] * 4
    assert [row[1].startswith(r"\textbf{") for row in cells] == [True, False, False, False]
    assert cells[0][0] == escape_latex(NASTY)
    assert cells[1][0] == "concat:hidden=512"
    assert text.count("{") == text.count("}")
    assert not re.search(r"(?<!\\)[#%](?! \\usepackage)", text)


def test_latex_escapes_what_it_would_read_as_markup():
    assert escape_latex("a_b & 5 % of {x}\n^ −1 Δ") == r"a\_b \& 5 \% of \{x\} \textasciicircum{} $-$1 $\Delta$"
    assert escape_latex("\\<~") == r"\textbackslash{}\textless{}\textasciitilde{}"


@pytest.fixture
def costly(full):
    declared = "Declared beforehand: concat:hidden=512 beats text_only by 13.1 points, p < 0.001, 3 seeds."
    return dataclasses.replace(full, details=[declared, *full.details])


def test_every_format_tells_costs_verdict_and_the_declared_contrast(costly):
    found = json.loads(to_json(costly))
    assert [entry["flops"] for entry in found] == [5e9, None, 2e8, None]
    assert {entry["study_verdict"] for entry in found} == {costly.verdict}
    assert {entry["primary"] for entry in found} == {costly.details[0]}
    table = list(csv.DictReader(io.StringIO(to_csv(costly))))
    assert [line["latency_ms"] for line in table] == ["4.2", "", "0.7", ""]
    assert {(line["study_verdict"], line["primary"]) for line in table} == {(costly.verdict, costly.details[0])}
    text = to_markdown(costly)
    assert "| parameters | seconds | FLOPs a row | ms a row |" in text
    assert "| floor | 60,000 | 0.4 | 200 M | 0.7 |" in text
    assert "Declared beforehand" in text
    latex = to_latex(costly)
    assert r"\begin{tabular}{lrrrrrrr}" in latex
    assert r"60,000 & 0.4 & 200 M & 0.7 \\" in latex
    caption = latex[latex.index(r"\caption") :]
    assert escape_latex(costly.verdict) in caption
    assert "Declared beforehand: concat:hidden=512 beats" in caption


def test_without_a_declared_contrast_none_is_told(summary):
    assert all(entry["primary"] is None for entry in json.loads(to_json(summary)))
    assert "Declared" not in to_latex(summary)
