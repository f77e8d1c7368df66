"""The HTML report: whole in one file, escaped, robust, reachable by keyboard."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from interfuse import reports
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

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and all(attributes.get(key.strip("_")) == value for key, value in wanted.items())
        ]

    def plots(self) -> list[str]:
        return [str(plot["aria-label"]) for plot in self.all("svg", role="img")]


@pytest.fixture
def page(summary) -> Page:
    return Page(to_html(summary))


def test_a_table_by_split_says_which_fold_it_counts(summary):
    text = Page(to_html(dataclasses.replace(summary, study={**summary.study, "folds": 3}))).text
    assert "train, fold 1" in text
    assert "train rows" not in text
    assert "9,000 in 3 folds, each tested once" in text


def test_it_is_one_file_that_asks_for_nothing_and_is_small(full):
    text = to_html(full)
    page = Page(text)
    assert len(text.encode()) <= 200_000
    for _, attributes in page.elements:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            assert (attributes.get(name) or "data:,").startswith(("data:", "#"))
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    styles = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    assert "url(" not in styles
    assert "@import" not in styles


def test_names_labels_and_notes_are_text_never_markup(full):
    page = Page(to_html(full))
    assert len(page.scripts) == 1  # the page's own
    assert "alert" not in page.scripts[0]
    assert page.text.count("alert('x')") >= 12  # verdict, table, pairs, figures' titles, rows, data card, …


def test_everything_a_reviewer_wants_is_there(page):
    for words in (
        *("Fusion beats text only", "Leaderboard", "91.2", "[90.2, 92.4]", "+11.1", "0.037", "1,234,567"),
        *("6,000 / 1,000 / 2,000", "900", "rows without a picture", "concat:hidden=512", "torch 2.13.0", "feed"),
        *("interfuse compare rows.csv", "0, 1, 2", "7 min", "dim=64", "epochs=4"),
    ):
        assert words in page.text, words
    assert [plot.split(" of ")[0].split(" against ")[0] for plot in page.plots()] == [
        *("Score", "Score", "Validation score", "Validation score"),
        *("Gradient norm", "Gradient norm"),
    ]


def test_every_part_of_the_study_is_on_the_page_when_its_record_is(full, summary):
    page, bare = Page(to_html(full)), Page(to_html(summary))
    for words in (
        *("Every pair", "Holm-adjusted for all 3 pairs", "+24.2", "< .001", "FLOPs", "5.00 G", "What tuning buys"),
        *("healthy 1/2", "vanishing 1/2", "Fix:", "norm=standard", "(1 of 2 seeds)", "Does it use both?"),
        *("Multimodal: it needs both.", "Needs both", "Wrong even with both", "No picture", "No text", "no text"),
        *("2 (0.0 %)", "text in two splits or more", "66.7 %", "the file is empty"),
    ):
        assert words in page.text, words
        assert words not in bare.text or words == "FLOPs", words
    assert len(page.all("img")) == 6  # five pictures and what the diagnosis drew over one of them


def test_of_numbers_the_examples_are_near_or_far_and_the_curves_are_of_r2(full):
    study = {**full.study, "data": {**full.study["data"], "task": "regression"}}
    told = Page(to_html(dataclasses.replace(full, study=study))).text
    for words in ("Far off even with both", "The largest errors.", "Near with both modalities, far off with either"):
        assert words in told
    assert "least probability" not in told
    assert "R² on validation in points, by epoch" in told
    assert "Each training keeps the epoch that is best by R², whatever the designs are compared by." in told


def test_what_is_measured_of_cost_is_said_to_leave_out_the_encoders_and_latency_to_be_rough(full, summary):
    alone = "are of the fusion network alone (adapters, fusion and head), without the encoders"
    beside = "Other trainings may have run beside"
    told = Page(to_html(full)).text
    assert f"FLOPs, ms a row {alone}" in told
    assert beside in told
    flops = {design: {"flops": costs["flops"]} for design, costs in full.costs.items()}
    told = Page(to_html(dataclasses.replace(full, costs=flops))).text
    assert f"FLOPs {alone}" in told
    assert beside not in told
    assert alone not in Page(to_html(summary)).text


def test_updates_attention_and_gates_stand_beneath_the_heat_map_in_a_few_kilobytes(full, summary):
    text = to_html(full)
    page = Page(text)
    for words in (
        *("largest update", "late update", "dead heads", "1 of 4", "3.1 %", "OGM ratio"),
        "last fifth of the epochs",
    ):
        assert words in page.text, words
    boxes = [b for b in page.all("div", class_="scroll") if "Updates, attention and gates of" in str(b["aria-label"])]
    assert len(boxes) == 2  # of two designs with such a record, and the third has an older one
    tables = re.findall(r'<table class="vitals">.*?</table>', text, re.S)
    assert len("".join(tables).encode()) / 2 <= 3000
    bare = Page(to_html(summary))
    assert "late update" not in bare.text
    assert "last fifth" not in bare.text


def test_pictures_over_the_budget_are_left_out_but_their_rows_stay(full, monkeypatch):
    monkeypatch.setattr("interfuse.reports.gallery.BUDGET", 2500)
    page = Page(to_html(full))
    assert 0 < len(page.all("img")) < 5
    assert page.text.count("row r") == 6


def test_the_best_design_stands_first_and_its_cells_sort_by_number(page):
    rows = [attributes for attributes in page.all("th") if attributes.get("scope") == "row"][:4]
    assert [attributes["data-value"] for attributes in rows] == [NASTY, "concat:hidden=512", "text_only", "majority"]
    cells = [attributes["data-value"] for attributes in page.all("td")[:24]]
    assert cells[:6] == ["0.912", "0.111", "0.0372", "wins", "2000000", "12.34"]
    assert cells[6:9] == ["0.801", "", ""]  # the baseline has no difference from itself: it sorts last


def test_headings_sort_by_buttons_and_the_wide_table_scrolls_in_its_own_box(page):
    columns = [attributes for attributes in page.all("th") if attributes.get("scope") == "col"]
    assert [attributes["aria-sort"] for attributes in columns[:7]] == ["none"] * 7
    box = next(attributes for attributes in page.all("div") if attributes.get("class") == "scroll")
    assert (box["tabindex"], box["role"]) == ("0", "region")
    toggles = [attributes for attributes in page.all("button") if "data-toggle" in attributes]
    assert [attributes["aria-pressed"] for attributes in toggles] == ["true"] * len(toggles)
    assert NASTY in [attributes["data-toggle"] for attributes in toggles]


def test_every_colour_is_a_variable_declared_for_light_and_dark(full):
    text = to_html(full)
    styles = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    used = set(re.findall(r"var\((--[\w-]+)\)", text))
    assert used <= set(re.findall(r"(--[\w-]+):", styles))
    dark = " ".join(re.findall(r"prefers-color-scheme: dark\) \{(.*?\})\s*\}", styles, re.S))
    assert used - set(re.findall(r"(--[\w-]+):", dark)) == {"--glow"}  # the same orange lies over pictures in both


def test_intervals_and_differences_are_drawn_in_points(page):
    """Means span 66.0 to 92.4 with 6 % of room, for majority is far below; differences −1.6 to 13.1 with 8 %."""
    low, high = 66.0 - 0.06 * 26.4, 92.4 + 0.06 * 26.4
    first = page.all("line", class_="whisker")[0]
    ends = [low + float(first[side].rstrip("%")) / 100 * (high - low) for side in ("x1", "x2")]
    assert ends == pytest.approx([90.2, 92.4], abs=0.01)
    low, high = -1.6 - 0.08 * 14.7, 13.1 + 0.08 * 14.7
    band = page.all("rect", class_="margin")[0]
    start = float(band["x"].rstrip("%")) / 100 * (high - low) + low
    assert start == pytest.approx(-1.0, abs=0.01)
    assert float(band["width"].rstrip("%")) / 100 * (high - low) == pytest.approx(2.0, abs=0.01)
    for far in ("◂ −13.1", "◂ −42.0", "◂ 37.3"):
        assert far in page.text


def test_gaps_in_a_history_are_left_out(summary):
    rows = history(4)
    rows[1]["validation_score"] = None
    rows[2]["validation_score"] = float("nan")
    page = Page(to_html(dataclasses.replace(summary, histories={"text_only": {0: rows}})))
    path = page.all("path", class_="curve")[0]["d"]
    assert [place.split(" ")[0] for place in path.lstrip("M").split("L")] == ["0.0", "1000.0"]  # epochs 1 and 4


def test_the_legends_tell_the_alpha_that_the_study_was_judged_by(full):
    plain, looked = (Page(to_html(dataclasses.replace(full, alpha=alpha))).text for alpha in (0.05, 0.0158))
    assert "Holm-adjusted p below 0.05 and a difference" in plain
    assert "only where this adjusted p is below 0.05." in plain
    assert "Holm-adjusted p below 0.0158 (seeds were added after looking" in looked
    assert "only where this adjusted p is below 0.0158." in looked


def test_one_seed_is_flagged_above_the_table(summary):
    single = [dataclasses.replace(entry, seeds=1) for entry in summary.rows]
    flag = "for this one trained model only"
    alone = dataclasses.replace(summary, rows=single, study={**summary.study, "seeds": [0]})
    assert flag in Page(to_html(alone)).text
    assert flag not in Page(to_html(summary)).text


def test_an_empty_study_and_one_without_records_are_drawn(empty, summary):
    assert "No verdict on fusion." in Page(to_html(empty)).text
    bare = dataclasses.replace(summary, study={"data": None}, histories={})
    assert Page(to_html(bare)).plots() == ["Score against trained parameters", "Score against training seconds a run"]


def test_a_missing_interval_or_difference_is_no_obstacle(summary):
    rows = [row("a", 0.5, 0.1, ci_low=None, ci_high=None, delta_ci_low=None, delta_ci_high=None), row("b", 0.4)]
    page = Page(to_html(dataclasses.replace(summary, rows=rows, histories={})))
    assert len(page.all("svg", class_="row plot")) == 4


def test_twenty_designs_all_look_different(summary):
    rows = [row(f"d{number}", 0.5 + number / 100, 0.1) for number in range(20)]
    page = Page(to_html(dataclasses.replace(summary, rows=rows, histories={})))
    marks = [attributes for attributes in page.all("path") if attributes.get("stroke-width") == "1.6"]
    assert len({(mark["stroke"], mark["d"]) for mark in marks}) == 20


@pytest.mark.parametrize("verdict", ["wins", "loses", "small", "equal", "no-evidence", "floor", "baseline"])
def test_a_verdict_gives_its_row_a_colour_and_never_another_layout(verdict):
    folder = Path(reports.__file__).parent / "templates"
    sheets = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.css"))
    rules = re.findall(r"(?:^|[,}\s])\." + verdict + r"\s*\{([^}]*)\}", sheets)
    assert not [rule for rule in rules if "display" in rule or "float" in rule]
