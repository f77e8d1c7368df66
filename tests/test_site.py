"""The site builds without a warning, asks for nothing from elsewhere, and its search works from the disk."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import PHONE, WIDE, launched, visiting
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[1]
pytest.importorskip("material", reason="mkdocs-material is not installed (extra docs)")
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\ssrc="(?:https?:)?//|<link\b[^>]*\shref="(?:https?:)?//"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(ROOT / "mkdocs.yml")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [*command, "--site-dir", str(folder)], env=environment, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_no_page_fetches_anything_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    assert not [page.name for page in pages if FETCHED.search(page.read_text(encoding="utf-8"))]
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", styles)


def test_the_reference_holds_what_the_package_offers(site):
    import interfuse

    page = (site / "reference" / "interfuse.html").read_text(encoding="utf-8")
    assert not [name for name in interfuse.__all__ if f'id="interfuse.{name}"' not in page]


def test_a_notebook_is_a_page_with_its_outputs(site):
    page = (site / "notebooks" / "02-doctor.html").read_text(encoding="utf-8")
    assert "batch-leak" in page
    assert (site / "notebooks" / "02-doctor.ipynb").is_file()


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
def test_pages_open_from_the_disk_without_a_request_or_a_complaint(site, size, scheme):
    with launched() as browser:
        for name in ("index", "which-fusion", "notebooks/01-binding", "reference/interfuse"):
            with visiting(browser, site / f"{name}.html", size, scheme) as visit:
                assert not visit.said
                assert not [address for address in visit.asked if not address.startswith("file:")]
                assert visit.page.evaluate("document.documentElement.scrollWidth") <= size[0], name


def test_search_finds_a_page_from_the_disk(site):
    with launched() as browser, visiting(browser, site / "index.html") as visit:
        visit.page.click(".md-search__input")
        visit.page.keyboard.type("modality dropout")
        found = visit.page.wait_for_selector(".md-search-result__link", timeout=1000 * PATIENCE_S)
        assert found.get_attribute("href")
        assert not visit.said
