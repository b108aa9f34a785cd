"""The site of the documentation, built strictly, and read in Chromium from disk with the network off."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ("file://", "data:")
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


class Links(HTMLParser):
    """The links of a page, and the places that links can name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.places |= {value for name in ("id", "name") if (value := given.get(name))}
        self.links += [value for name in ("href", "src") if (value := given.get(name)) and tag != "base"]


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Build a site as ``make docs`` does."""
    (recipe,) = re.findall(
        r"^\t\$\(BIN\)/python (-m sphinx .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    places = {
        ".cache/doctrees": str(target.with_name("doctrees")),
        "docs": str(source),
        "build/site": str(target),
    }
    words = [places.get(word, word) for word in recipe.split()]
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this checkout."""
    folder = tmp_path_factory.mktemp("site") / "site"
    done = build(ROOT / "docs", folder)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    return {page: Links(page.read_text(encoding="utf-8")) for page in site.rglob("*.html")}


def test_every_link_leads_somewhere(site: Path, pages: dict[Path, Links]) -> None:
    """A link within the site names a file and a place in it that exist; one out of it is an https address."""
    found = []
    for page, read in pages.items():
        for link in set(read.links):
            parts = urlsplit(link)
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if parts.scheme:
                well = parts.scheme in ("https", "http") and bool(parts.hostname)
            elif target.suffix == ".html" and parts.fragment:
                well = target in pages and unquote(parts.fragment) in pages[target].places
            else:
                well = target.is_file()
            found += [] if well else [f"{page.relative_to(site)}: {link}"]
    assert sum(len(read.links) for read in pages.values()) > 1000
    assert found == []


def test_every_page_is_in_the_navigation(site: Path, pages: dict[Path, Links]) -> None:
    """The first page leads to each page of docs/ with one click."""
    there = {link for link in pages[site / "index.html"].links if link.endswith(".html")}
    written = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    assert {str(path) for path in written} - {"index.html"} <= there


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[Path, Links]) -> None:
    """No script, style, font or picture of a page lies on another machine."""
    found = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        found += re.findall(r"<(?:script|img|iframe)[^>]*\ssrc=\"(?:https?:)?//[^>]*>", text)
        found += re.findall(
            r"<link[^>]*rel=\"(?:stylesheet|preload|icon)\"[^>]*href=\"(?:https?:)?//[^>]*>", text
        )
    for style in site.rglob("*.css"):
        found += re.findall(r"(?:url\(|@import)\s*[\"']?https?:[^)]*", style.read_text(encoding="utf-8"))
    assert found == []


WRONG = {
    "[gone](gone.md)": "gone.md",
    "[gone](index.md#gone)": "local id not found",
    "[gone](../beyond/gone.py)": "gone.py",
    "[gone](../beyond/GONE.md)": "GONE.md",
    "`docs/gone.md`": "unknown document: '/gone'",
}


def test_wrong_links_stop_the_build(tmp_path: Path) -> None:
    """So does a page that no list of pages has; a link to a file beyond docs/ is well, and gives its copy."""
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(ROOT / "docs" / "conf.py", docs)
    (docs / "_static").mkdir()
    (tmp_path / "BEYOND.md").write_text("# Beyond\n")
    (docs / "index.md").write_text("# Index\n\n[beyond](../BEYOND.md) `docs/lost.md`\n")
    (docs / "lost.md").write_text("# Lost\n\n" + "\n\n".join(WRONG))
    done = build(docs, tmp_path / "site")
    assert done.returncode != 0
    warnings = done.stderr.splitlines()
    assert len([line for line in warnings if "WARNING" in line]) == len(WRONG) + 1
    for complaint in [*WRONG.values(), "isn't included in any toctree"]:
        assert any(complaint in line for line in warnings), complaint
    assert [path.read_text() for path in (tmp_path / "site" / "_downloads").rglob("*.md")] == ["# Beyond\n"]


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What the browser complains of, and what it asks of other machines."""
    return []


@pytest.fixture(scope="module")
def page(site: Path, told: list[str]) -> Iterator[Page]:
    """The first page in Chromium, without a network."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or "chromium is not installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1600, "height": 1000}, offline=True).new_page()
        page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on(
            "request", lambda request: None if request.url.startswith(LOCAL) else told.append(request.url)
        )
        page.goto((site / "index.html").as_uri())
        yield page
        browser.close()


def test_search_finds_a_page_and_opens_it(page: Page, told: list[str]) -> None:
    """From disk: the words are typed on the first page, and a result leads to the page that has them."""
    page.get_by_placeholder("Search").first.fill("create-only")
    page.keyboard.press("Enter")
    page.wait_for_selector("ul.search li a")
    page.locator("ul.search li a[href*='stores.html']").first.click()
    page.wait_for_url("**/stores.html*")
    assert page.locator("h1").inner_text().startswith("Stores")
    assert told == []


def test_a_name_of_the_library_is_found(page: Page, site: Path, told: list[str]) -> None:
    """A search for a method leads to the page that describes it."""
    page.goto((site / "search.html").as_uri() + "?q=vsi_path")
    page.wait_for_selector("ul.search li a")
    page.locator("ul.search li a[href*='reference/up42_state.html']").first.click()
    page.wait_for_url("**/up42_state.html*")
    assert "GDAL" in page.locator("dl:has(> dt[id='up42_state.Stage.vsi_path'])").inner_text()
    assert told == []


@pytest.mark.parametrize("width", [900, 1600])
@pytest.mark.parametrize("name", ["index", "learn/concepts", "reference/up42_state", "settings", "cli"])
def test_a_page_is_no_wider_than_the_window(
    page: Page, site: Path, told: list[str], name: str, width: int
) -> None:
    """Wide tables and code scroll by themselves; pictures are loaded; the browser does not complain."""
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto((site / f"{name}.html").as_uri())
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("() => [...document.images].every(image => image.complete && image.naturalWidth)")
    assert told == []
