"""Pages whose programs and commands run in the demo's job: one demo, and one shell for each page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from examples.container import ROOT, Example, examples, not_printed, run

if TYPE_CHECKING:
    from pathlib import Path

DEMO = "up42-state demo >&2; export UP42_STATE_URL=file://$PWD/up42-state-demo/store\n"
PAGES = {  # that of blocks adds stages, so it comes last
    name: examples(ROOT / "docs" / f"{name}.md") for name in ("python", "report", "stac", "block")
}
BLOCK = """
export UP42_STATE_STAGE=page:{} UP42_STATE_AFTER=tiling:1
rm -rf /tmp/input /tmp/output /tmp/quicklooks
{}
"""


def steps(page: str) -> list[str]:
    """What a page's shell runs; each block has a place of its own, and empty directories."""
    found = [example.script for example in PAGES[page] if example.language in ("python", "sh")]
    if page == "report":  # its commands install it
        found = [example.script for example in PAGES[page] if example.language == "python"]
    return [BLOCK.format(*step) for step in enumerate(found, 1)] if page == "block" else found


def of(language: str, page: list[Example]) -> list[Example]:
    return [example for example in page if example.language == language]


@pytest.mark.timeout(900)  # many commands, one after the other: a busy machine takes its time
def test_the_pages_print_what_they_show(tmp_path: Path) -> None:
    """All programs and commands run, and what they save is there in the end."""
    scripts = ["\n".join([f"(\necho '=== {page}'", *steps(page), ")\n"]) for page in PAGES]
    job = "export UP42_STATE_JOB=demo\n"
    done = run(DEMO + job + "".join(scripts) + "echo '=== stages'\nup42-state stages\n", tmp_path)
    assert done.returncode == 0, done.stderr
    printed = dict(re.findall(r"^=== (\w+)\n(.*?)(?=^=== |\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    missing = {page: not_printed(of("text", PAGES[page]), printed[page]) for page in PAGES}
    assert {page: lines for page, lines in missing.items() if lines} == {}
    assert {"page:1", "copy:1", "tiling:2", "empty:1", "page:6"} <= set(printed["stages"].split())
    assert re.search(r"^scenes:1 +1 +\S+ +6 +12 ", printed["stac"], re.MULTILINE)
