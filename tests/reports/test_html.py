"""The HTML report: whole in one file, escaped, robust, reachable by keyboard."""

import dataclasses
import json
import re
from html.parser import HTMLParser

import pytest

from interfuse.reports import to_html
from tests.reports.conftest import NASTY, history, row


class Page(HTMLParser):
    """Elements with their attributes, the text, and what stands in scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.scripts, self._inside = "", [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data

    def figures(self) -> dict[str, dict]:
        return json.loads(self.scripts[1])

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page(summary) -> Page:
    return Page(to_html(summary))


def test_it_is_one_file_that_asks_for_nothing_and_is_below_8_mb(summary):
    text = to_html(summary)
    page = Page(text)
    assert len(text.encode()) <= 8_000_000
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            assert (attributes.get(name) or "data:,").startswith("data:")
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    styles = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    assert "url(" not in styles
    assert "@import" not in styles


def test_names_labels_and_notes_are_text_never_markup(page):
    assert len(page.scripts) == 3  # plotly.js, the figures, the page's own
    assert "Plotly" in page.scripts[0]
    assert "alert" not in page.scripts[2]
    assert "<" not in page.scripts[1]
    assert page.text.count("alert('x')") >= 6  # verdict, detail, table, source, label, note are all shown


def test_plotly_reads_no_markup_out_of_a_name(page):
    figures = page.figures()
    shown = [text for figure in figures.values() for trace in figure["data"] for text in trace.get("text", [])]
    shown += [tick for axis in ("yaxis", "yaxis2") for tick in figures["interval"]["layout"][axis]["ticktext"]]
    assert any("&lt;script&gt;" in text for text in shown)
    assert not any("<script" in text for text in shown)


def test_everything_a_reviewer_wants_is_there(page):
    for words in (
        *("Fusion beats text only", "Leaderboard", "91.2", "[90.2, 92.4]", "+11.1", "0.037", "1,234,567"),
        *("6,000 / 1,000 / 2,000", "900", "rows without a picture", "concat:hidden=512", "torch 2.13.0", "feed"),
        *("interfuse compare rows.csv", "0, 1, 2", "7 min", "dim=64", "epochs=4"),
    ):
        assert words in page.text, words
    assert set(page.figures()) == {"interval", "parameters", "seconds", "learning", "gradient-0", "gradient-1"}
    drawn = {attributes["id"] for attributes in page.all("div") if attributes.get("id", "").startswith("plot-")}
    assert drawn == {f"plot-{name}" for name in page.figures()}


def test_the_best_design_stands_first_and_its_cells_sort_by_number(page):
    rows = [attributes for attributes in page.all("th") if attributes.get("scope") == "row"]
    assert [attributes["data-value"] for attributes in rows] == [NASTY, "concat:hidden=512", "text_only", "majority"]
    cells = [attributes["data-value"] for attributes in page.all("td")]
    assert cells[:6] == ["0.912", "0.111", "0.0372", "wins", "2000000", "12.34"]
    assert cells[6:9] == ["0.801", "", ""]  # the baseline has no difference from itself: it sorts last


def test_headings_sort_by_buttons_and_the_wide_table_scrolls_in_its_own_box(page):
    columns = [attributes for attributes in page.all("th") if attributes.get("scope") == "col"]
    assert [attributes["aria-sort"] for attributes in columns] == ["none"] * 7
    box = next(attributes for attributes in page.all("div") if attributes.get("class") == "scroll")
    assert (box["tabindex"], box["role"]) == ("0", "region")
    toggles = [attributes for attributes in page.all("button") if "data-design" in attributes]
    assert [attributes["aria-pressed"] for attributes in toggles] == ["true"] * len(toggles)
    assert NASTY in [attributes["data-design"] for attributes in toggles]


def test_the_page_and_its_figures_follow_light_and_dark(summary):
    text = to_html(summary)
    assert "prefers-color-scheme: dark" in text
    colours = re.findall(r'"color": "([^"]*)"', Page(text).scripts[1])
    assert colours
    declared = set(re.findall(r"(--[\w-]+):", re.search(r"<style>(.*?)</style>", text, re.S)[1]))
    assert {colour.removeprefix("var(").removesuffix(")") for colour in colours} <= declared


def test_intervals_and_differences_are_drawn_in_points(page):
    interval = page.figures()["interval"]
    first = interval["data"][0]
    assert first["x"] == pytest.approx([91.2])
    assert (first["error_x"]["array"], first["error_x"]["arrayminus"]) == (pytest.approx([1.2]), pytest.approx([1.0]))
    difference = next(trace for trace in interval["data"] if trace.get("xaxis") == "x2")
    assert difference["x"] == pytest.approx([11.1])
    low, high = interval["layout"]["xaxis2"]["range"]
    assert low < -1.6
    assert high > 13.1
    assert [note["text"] for note in interval["layout"]["annotations"]] == ["◂ −13.1", "◂ −42.0"]
    band = interval["layout"]["shapes"][0]
    assert (band["x0"], band["x1"]) == (-1.0, 1.0)


def test_a_learning_curve_is_the_mean_over_seeds_in_its_band_up_to_the_last_epoch_of_all(page):
    band, line, single = page.figures()["learning"]["data"]
    assert line["x"] == [1, 2, 3]  # the second seed stopped after three epochs
    assert line["y"] == pytest.approx([55, 65, 75])
    assert band["y"] == pytest.approx([60, 70, 80, 70, 60, 50])
    assert (single["x"], single["meta"]) == ([1, 2, 3, 4], "text_only")


def test_gradients_leave_out_zeros_and_share_one_scale(page):
    first, second = (page.figures()[f"gradient-{number}"] for number in range(2))
    assert first["layout"]["yaxis"]["range"] == second["layout"]["yaxis"]["range"]
    assert [trace["y"][0] for trace in first["data"]] == pytest.approx([0.1, None, 0.3, 1.0])


def test_gaps_in_a_history_are_left_out(summary):
    rows = history(4)
    rows[1]["validation_score"] = None
    rows[2]["validation_score"] = float("nan")
    text = to_html(dataclasses.replace(summary, histories={"text_only": {0: rows}}))
    assert Page(text).figures()["learning"]["data"][0]["x"] == [1, 4]


def test_one_seed_is_flagged_above_the_table(summary):
    single = [dataclasses.replace(entry, seeds=1) for entry in summary.rows]
    flag = "for this one trained model only"
    assert flag in Page(to_html(dataclasses.replace(summary, rows=single))).text
    assert flag not in Page(to_html(summary)).text


def test_an_empty_study_and_one_without_records_are_drawn(empty, summary):
    assert "No verdict on fusion." in Page(to_html(empty)).text
    bare = dataclasses.replace(summary, study={"data": None}, histories={})
    assert set(Page(to_html(bare)).figures()) == {"interval", "parameters", "seconds"}


def test_a_missing_interval_or_difference_is_no_obstacle(summary):
    rows = [row("a", 0.5, 0.1, ci_low=None, ci_high=None, delta_ci_low=None, delta_ci_high=None), row("b", 0.4)]
    assert "interval" in Page(to_html(dataclasses.replace(summary, rows=rows, histories={}))).figures()


def test_twenty_designs_all_look_different(summary):
    rows = [row(f"d{number}", 0.5 + number / 100, 0.1) for number in range(20)]
    page = Page(to_html(dataclasses.replace(summary, rows=rows, histories={})))
    traces = page.figures()["parameters"]["data"]
    assert len({(trace["marker"]["color"], trace["marker"]["symbol"]) for trace in traces}) == 20
