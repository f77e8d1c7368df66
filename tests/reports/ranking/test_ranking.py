"""A ranking as page, tables and terminal: whole, escaped, drawn inside the page."""

import dataclasses
import io
import json
import re

import numpy as np
import pytest
from rich.console import Console

from interfuse.core.ranking import DataSet, DataSetDifference, Ranking
from interfuse.evaluation import SharedScores, compare_ranks, pair_ranks, rank_designs, say_ranking
from interfuse.reports import (
    print_ranking,
    ranking_to_csv,
    ranking_to_html,
    ranking_to_json,
    ranking_to_markdown,
)
from tests.browser import PHONE, WIDE, launched, visiting
from tests.reports.conftest import NASTY

GAINS = {"cross_attention:encoder_layers=1:gate=glu": 0.05, NASTY: 0.03, "film": 0.0, "gmu": -0.04, "text_only": -0.3}


@pytest.fixture(scope="module")
def browser():
    with launched() as chromium:
        yield chromium


def make_ranking(count: int = 7) -> Ranking:
    random = np.random.default_rng(0)
    roles = {"concat:hidden=512": "baseline"} | dict.fromkeys(GAINS, "contender") | {"text_only": "floor"}
    deltas = {name: gain + random.normal(0, 0.01, count) for name, gain in GAINS.items()}
    scores = np.stack([np.full(count, 0.7), *(0.7 + delta for delta in deltas.values())], axis=1)
    differences = {
        name: [
            DataSetDifference(d, d - 0.02 - wide, d + 0.02 + wide, (0.02 + wide) / 1.96) for d, wide in zip(own, widths)
        ]
        for name, own in ((name, delta.tolist()) for name, delta in deltas.items())
        for widths in [[0.0] * (count - 1) + [5.0]]  # the last data set says next to nothing
    }
    designs = rank_designs(SharedScores(roles, scores, differences), 0.01)
    data_sets = [
        DataSet(f"set {n} {NASTY}"[: 40 - n], f"studies/{n}", NASTY, None, 3, "concat:hidden=512") for n in range(count)
    ]
    verdict = say_ranking(designs, "concat:hidden=512", count)
    test, pairs = compare_ranks(designs), pair_ranks(designs)
    return Ranking(
        "accuracy",
        "multiclass",
        "concat:hidden=512",
        0.01,
        data_sets,
        designs,
        verdict,
        [f"Detail {NASTY}"],
        test,
        pairs,
    )


def test_the_page_is_whole_escaped_and_runs_nothing():
    page = ranking_to_html(make_ranking())
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert page.count('<figure class="figure over">') == 4  # floors have none
    assert page.count('class="rank-group"') >= 1
    assert "critical difference 2.31" in page  # q 2.728 √(5·6/(6·7)), by Demšar's table 5
    assert "Signed ranks of every pair" in page
    assert 'class="verdict good"' in page


def test_few_data_sets_have_no_prediction_and_no_signed_ranks():
    page = ranking_to_html(make_ranking(2))
    assert 'class="foreseen"' not in page
    assert "Signed ranks of every pair" not in page
    assert 'class="verdict open"' in page


def test_a_ranking_of_floors_alone_is_drawn_too():
    ranking = make_ranking()
    floors = [one for one in ranking.designs if one.role == "floor"]
    bare = dataclasses.replace(ranking, designs=floors, test=None, pairs=[])
    page = ranking_to_html(bare)
    assert page.count('<figure class="figure over">') == 1
    assert 'id="ranks-title"' not in page
    assert "## Ranks" not in ranking_to_markdown(bare)


def test_tables_hold_every_design_and_every_data_set():
    ranking = make_ranking()
    plain = json.loads(ranking_to_json(ranking))
    assert [one["design"] for one in plain["designs"]] == [one.design for one in ranking.designs]
    assert len(ranking_to_csv(ranking).splitlines()) == 1 + len(ranking.designs)
    text = ranking_to_markdown(ranking)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in tables}
    assert widths == {10, 9, 5}  # over data sets; on each of them; pairs
    assert "<script" not in text


@pytest.mark.parametrize("width", [40, 90, 140])
def test_a_terminal_of_any_width_gets_every_number(width):
    ranking = make_ranking()
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_ranking(dataclasses.replace(ranking, details=["a bell \x07"]), console)
    flat = re.sub(r"\s+", "", console.file.getvalue())
    assert "\x07" not in flat
    for one in ranking.designs:
        assert re.sub(r"\s+", "", one.design) in flat
        if one.pooled:
            assert f"{100 * one.pooled.mean:+.1f}".replace("-", "−") in flat
    assert re.sub(r"\s+", "", ranking.verdict) in flat


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_quietly_and_every_plot_lies_inside_the_page(browser, tmp_path, size, scheme):
    file = tmp_path / "ranking.html"
    file.write_text(ranking_to_html(make_ranking()), encoding="utf-8")
    with visiting(browser, file, size, scheme) as visit:
        visit.page.query_selector("details > summary").click()
        assert (visit.said, visit.asked) == ([], [])
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        plots = visit.page.evaluate(
            """[...document.querySelectorAll('svg.plot')].map(plot => {
                 const marks = [...plot.querySelectorAll('path, rect, line, text')].map(m => m.getBoundingClientRect());
                 return {width: plot.getBoundingClientRect().width, drawn: marks.length,
                   left: Math.min(...marks.map(m => m.left)), right: Math.max(...marks.map(m => m.right))}; })"""
        )
        assert len(plots) == 4 * 8 + 1
        for plot in plots:
            assert plot["width"] > 90, plot
            assert plot["drawn"] > 1, plot
            assert plot["left"] >= 0, plot
            assert plot["right"] <= size[0], plot
