"""The README, done as a reader would do it, and what pages name and show of other files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from examples.container import ROOT, examples
from examples.pages import Page

if TYPE_CHECKING:
    from pathlib import Path

README = Page.read("README.md")


@pytest.mark.timeout(900)  # many commands, one after the other: a busy machine takes its time
def test_the_readme_twice_in_a_row(tmp_path: Path) -> None:
    """Everything that is shown comes out, both times, and the second time nothing new is saved."""
    printed = README.run(tmp_path, times=2)
    README.compare(printed)
    saved = ["saved demo/" in output for output in printed]
    assert any(saved[: len(README.steps)])
    assert not any(saved[len(README.steps) :])


def test_the_block_that_is_shown_is_the_file() -> None:
    """The README shows examples/block/block.py, whole."""
    (shown,) = [step for step in README.steps if step.file]
    assert shown.text == (ROOT / shown.file).read_text()


@pytest.mark.parametrize(
    "page",
    [
        *("README.md", "CHANGELOG.md", "docs/block.md", "docs/python.md", "docs/workflows.md"),
        *("docs/recipes.md", "docs/learn/tutorial.md", "docs/troubleshooting.md"),
        *("docs/howto/fan-in.md", "docs/howto/from-boto3.md", "docs/howto/r2-and-minio.md"),
        "docs/howto/resume.md",
    ],
)
def test_files_that_a_page_names_are_there(page: str) -> None:
    """No link and no page in backticks leads nowhere."""
    text = (ROOT / page).read_text()
    links = [(ROOT / page).parent / link for link in re.findall(r"\]\((?!https?:)([^)#]+)", text)]
    links += [ROOT / name for name in re.findall(r"`(docs/[\w.-]+)`", text)]
    assert links
    assert [link for link in links if not link.exists()] == []


def test_the_build_args_are_those_of_the_base_image() -> None:
    """The documented pattern stands in docker/ as docs/settings.md shows it."""
    page = examples(ROOT / "docs" / "settings.md")
    shown = [example.text for example in page if example.language == "dockerfile" and "ARG" in example.text]
    words = {line.rstrip("\\").split()[-1] for text in shown for line in text.splitlines()}
    assert words
    assert words <= set((ROOT / "docker" / "Dockerfile").read_text().split())
