"""The terminal: every number whole at every width, nothing read as markup."""

import dataclasses
import io

import pytest
from rich.console import Console

from interfuse.reports import print_summary
from tests.reports.conftest import NASTY, row


def printed(summary, width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_summary(summary, console)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 76, 80, 104, 200])
def test_no_number_is_cut_and_no_line_is_too_long(summary, width):
    text = printed(summary, width)
    for number in ("91.2 [90.2, 92.4]", "+11.1 [+9.1, +13.1]", "−13.1 [−15.1, −11.1]", "baseline"):
        assert number in text
    assert "…" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


@pytest.mark.parametrize("width", [76, 80, 90, 104, 120])
def test_no_verdict_is_cut_beside_wide_numbers(summary, width):
    wide = row("concat:hidden=512", -4321.5, -98765.4, ci_low=-5555.5, ci_high=-1111.1)
    text = printed(dataclasses.replace(summary, rows=[*summary.rows, wide]), width)
    assert "no evidence" in text
    assert text.count("floor") == 2
    assert "−432150.0 [−555550.0, −111110.0]" in text
    assert "…" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width


@pytest.mark.parametrize("width", [40, 104])
def test_cost_verdict_and_details_are_told(summary, width):
    flat = " ".join(printed(summary, width).split())
    assert "1,234,567" in flat
    assert "12.3" in flat
    assert "Fusion beats text only (" in flat
    assert flat.endswith(f"Detail {NASTY}")


def test_names_are_shown_as_they_are_and_control_the_terminal_by_nothing(summary):
    rows = [row("[red]a[/red]", 0.5, 0.1), row("b\x1b[2Jb", 0.4, 0.1)]
    text = printed(dataclasses.replace(summary, rows=rows), 120)
    assert "[red]a[/red]" in text
    assert "\x1b" not in text


def test_one_seed_is_flagged_in_the_headline(summary):
    single = {**summary.study, "seeds": [0]}
    flat = " ".join(printed(dataclasses.replace(summary, study=single), 120).split())
    assert "1 seed; test scores in points, 95 % intervals over examples, for this one trained model only" in flat
    assert "one trained model" not in printed(summary, 120)


def test_seeds_that_were_added_are_counted_in_the_headline(summary):
    names = [entry["name"] for entry in summary.study["designs"]]
    more = {**summary.study, "seeds": [0, 1], "added": {names[0]: 5}}
    assert "; 2 to 7 seeds; " in " ".join(printed(dataclasses.replace(summary, study=more), 120).split())
    alike = {**more, "added": dict.fromkeys(names, 5)}
    assert "; 7 seeds; " in " ".join(printed(dataclasses.replace(summary, study=alike), 120).split())


def test_one_seed_of_folds_is_not_called_one_trained_model(summary):
    folded = {**summary.study, "seeds": [0], "folds": 3}
    flat = " ".join(printed(dataclasses.replace(summary, study=folded), 120).split())
    assert "intervals over examples and the training sets of 3 folds" in flat
    assert "one trained model" not in flat


def test_folds_are_told_with_all_of_their_rows(summary):
    folded = {**summary.study, "folds": 3, "data": {"source": "rows.csv", "rows": {"train": 136, "test": 80}}}
    told = {**folded, "data": {**folded["data"], "tested": 240}}
    assert "rows.csv: 240 rows in 3 folds, each tested once; 3 seeds;" in printed(
        dataclasses.replace(summary, study=told), 120
    )
    assert "216 rows in 3 folds" in printed(dataclasses.replace(summary, study=folded), 120)


def test_an_empty_study_is_told(empty):
    assert "No verdict on fusion." in printed(empty, 80)
