"""``docs/learn/tutorial.md``, done as a reader would do it, and once more from the top."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from examples.pages import Page

if TYPE_CHECKING:
    from pathlib import Path

PAGE = Page.read("docs/learn/tutorial.md")


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory, localstack_url: str) -> list[str]:
    """What each step prints, of the tutorial done twice."""
    variables = {"AWS_ENDPOINT_URL_S3": localstack_url}
    return PAGE.run(tmp_path_factory.mktemp("store"), variables, times=2)


def test_each_step_prints_what_the_tutorial_shows(printed: list[str]) -> None:
    """Everything that is shown comes out, the first time."""
    assert PAGE.differences(printed[: len(PAGE.steps)]) == []
