"""The study's page in a real browser: quiet, drawn, sorted by mouse and keys, at home on a phone, light and dark."""

import pytest

from interfuse.reports import to_html
from tests.browser import PHONE, WIDE, visiting
from tests.reports.conftest import NASTY


@pytest.fixture
def file(full, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(to_html(full), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_it_opens_says_nothing_asks_for_nothing_and_does_not_scroll_sideways(browser, file, size, scheme):
    with visiting(browser, file, size, scheme) as visit:
        for one in visit.page.query_selector_all("details > summary"):
            one.click()
        assert (visit.said, visit.asked) == ([], [])
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        boxes = visit.page.evaluate(
            "[...document.querySelectorAll('.scroll')].map(b => b.getBoundingClientRect().right)"
        )
        assert max(boxes) <= size[0]


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_every_plot_is_drawn_inside_the_page(browser, file, size):
    with visiting(browser, file, size) as visit:
        plots = visit.page.evaluate(
            """[...document.querySelectorAll('svg.plot')].map(plot => {
                 const own = plot.getBoundingClientRect();
                 const marks = [...plot.querySelectorAll('path, rect, circle, line')]
                   .map(m => m.getBoundingClientRect());
                 const texts = [...plot.querySelectorAll('text')].map(t => t.getBoundingClientRect());
                 return {label: plot.getAttribute('aria-label') || '', width: own.width, height: own.height,
                   drawn: marks.filter(m => m.width + m.height > 1).length,
                   right: Math.max(...[...marks, ...texts].map(m => m.right)),
                   left: Math.min(...[...marks, ...texts].map(m => m.left)) }; })"""
        )
        labels = " ".join(plot["label"] for plot in plots)
        for wanted in ("trained parameters", "FLOPs", "training seconds", "Validation score", "Gradient norm", "draws"):
            assert wanted in labels, wanted
        for plot in plots:
            assert plot["width"] > 90, plot
            assert plot["height"] > 20, plot
            assert plot["drawn"] > 0, plot
            assert plot["left"] >= 0, plot
            assert plot["right"] <= size[0], plot


def column(page, number: int) -> list[str]:
    return page.evaluate(
        f"[...document.querySelectorAll('#leaderboard tbody tr')].map(r => r.children[{number}].dataset.value)"
    )


def test_a_table_sorts_by_click_and_by_keyboard_and_says_so(browser, file):
    with visiting(browser, file) as visit:
        page = visit.page
        seconds = page.locator("#leaderboard thead button", has_text="seconds")
        seconds.click()
        assert column(page, 6) == ["12.34", "12.34", "0.4", "0.0"]
        heading = page.locator("#leaderboard thead th", has_text="seconds")
        assert heading.get_attribute("aria-sort") == "descending"
        seconds.focus()
        page.keyboard.press("Enter")
        assert column(page, 6) == ["0.0", "0.4", "12.34", "12.34"]
        assert heading.get_attribute("aria-sort") == "ascending"
        page.keyboard.press("Shift+Tab")  # the heading before it
        page.keyboard.press("Space")
        assert column(page, 5) == ["2000000", "1234567", "60000", "0"]
        assert heading.get_attribute("aria-sort") == "none"
        page.locator("#leaderboard thead button", has_text="Δ baseline").click()
        assert column(page, 2) == ["0.111", "-0.131", "-0.42", ""]  # what has no value stays last


def test_the_keyboard_reaches_every_control_and_box_and_shows_where_it_is(browser, file):
    with visiting(browser, file) as visit:
        page = visit.page
        wanted = page.evaluate("document.querySelectorAll('a, button, summary, [tabindex=\"0\"]').length")
        hidden = page.evaluate(
            "[...document.querySelectorAll('details:not([open]) :is(button, [tabindex=\"0\"])')].length"
        )
        reached = []
        for _ in range(wanted):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate(
                    """(() => { const e = document.activeElement; e.dataset.n = e.dataset.n || String(Math.random());
                       return [e.dataset.n, e.tagName, getComputedStyle(e).outlineStyle]; })()"""
                )
            )
        controls = [one for one in reached if one[1] != "BODY"]
        assert len({number for number, *_ in controls}) == wanted - hidden
        assert all(outline != "none" for *_, outline in controls)


def test_a_design_is_hidden_and_shown_by_its_name(browser, file):
    with visiting(browser, file) as visit:
        button = visit.page.locator("[data-toggle]").first
        name = button.get_attribute("data-toggle")
        assert name == NASTY
        marks = visit.page.locator(".mark").filter(has=visit.page.locator("title", has_text="FLOPs"))
        shown = marks.count()
        visible = "[...document.querySelectorAll('svg.plot .mark')].filter(m => m.getBoundingClientRect().width).length"
        before = visit.page.evaluate(visible)
        button.press("Enter")
        assert button.get_attribute("aria-pressed") == "false"
        assert visit.page.evaluate(visible) == before - 4  # parameters, FLOPs, seconds, tuning
        button.press("Enter")
        assert visit.page.evaluate(visible) == before
        assert shown == 2


def test_light_and_dark_have_their_own_colours_with_enough_contrast(browser, file):
    grounds = {}
    for scheme in ("light", "dark"):
        with visiting(browser, file, WIDE, scheme) as visit:
            grounds[scheme] = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
            ratios = visit.page.evaluate(
                """(() => {
                  const light = text => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(v => v / 255)
                    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
                  const paper = light(getComputedStyle(document.body).backgroundColor);
                  const all = ['h1', '.lead', '.tick', 'figcaption', '.badge.fine', '.badge.ill', 'summary', 'nav a'];
                  return all.map(s => {
                    const style = getComputedStyle(document.querySelector(s));
                    const ink = light(s === '.tick' ? style.fill : style.color);
                    return [s, (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)]; });
                })()"""
            )
            for selector, ratio in ratios:
                assert ratio >= 4.5, (scheme, selector, ratio)
    assert grounds["light"] != grounds["dark"]


def test_it_reads_without_script(browser, file):
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(file.resolve().as_uri())
        assert page.locator("svg.plot").first.bounding_box()["width"] > 90
    finally:
        context.close()
