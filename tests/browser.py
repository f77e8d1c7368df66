"""A real browser for tests of pages: Debian's Chromium, driven by playwright. Neither is fetched."""

import functools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WIDE, PHONE = (1280, 900), (390, 844)
"""Width and height of a window in pixels."""


@dataclass
class Visit:
    """A page that is open, and what went on while it was."""

    page: object
    """Playwright's page."""
    said: list[str] = field(default_factory=list)
    """Warnings and errors of the console, and uncaught errors."""
    asked: list[str] = field(default_factory=list)
    """Addresses that were asked for, but the page's own and data URIs."""


@functools.cache
def find_chromium() -> str | None:
    """Find Chromium on the path."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def launched() -> Iterator[object]:
    """Start the browser, or skip the test with the reason."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra dev)")
    if find_chromium() is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(browser, address: Path | str, size: tuple[int, int] = WIDE, scheme: str = "light") -> Iterator[Visit]:
    """Open a file or an address in a fresh window.

    Args:
        browser: what `launched` gives.
        address: a file, or a URL.
        size: of the window in pixels.
        scheme: light or dark, as the reader prefers.
    """
    url = address.resolve().as_uri() if isinstance(address, Path) else address
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, device_scale_factor=1
    )
    try:
        page = context.new_page()
        visit = Visit(page)
        page.on("console", lambda m: visit.said.append(m.text) if m.type in ("warning", "error") else None)
        page.on("pageerror", lambda error: visit.said.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("data:", url)) else visit.asked.append(r.url))
        page.goto(url, wait_until="load")
        yield visit
    finally:
        context.close()
