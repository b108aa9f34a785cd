"""``docs/learn/tutorial.md``, done as a reader would do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from examples.pages import Page

if TYPE_CHECKING:
    from pathlib import Path

PAGE = Page.read("docs/learn/tutorial.md")


@pytest.mark.timeout(900)  # many commands, one after the other: a busy machine takes its time
def test_each_step_prints_what_the_tutorial_shows(tmp_path: Path, localstack_url: str) -> None:
    """In a fresh directory and environment; the block's tests run on a directory and on LocalStack."""
    PAGE.compare(PAGE.run(tmp_path, {"AWS_ENDPOINT_URL_S3": localstack_url}))


def test_the_block_is_short() -> None:
    """The block that the reader writes has fifteen to thirty lines."""
    (block,) = [step.text for step in PAGE.steps if step.file == "ndvi/ndvi.py"]
    assert 15 <= len([line for line in block.splitlines() if line.strip()]) <= 30
