"""``docs/howto/``: each page, done as a reader would do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from examples.pages import Page
from servers import rclone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCALSTACK, RCLONE = "http://127.0.0.1:4566", "http://127.0.0.1:8080"


@pytest.fixture
def rclone_url(tmp_path: Path) -> Iterator[str]:
    """``rclone serve s3`` as docs/howto/r2-and-minio.md starts it."""
    (tmp_path / "served" / "results").mkdir(parents=True)
    yield from rclone.serve(tmp_path / "served", tmp_path / "log")


@pytest.mark.parametrize("name", ["fan-in", "resume"])
def test_on_a_directory(name: str, tmp_path: Path) -> None:
    """The page's commands print what it shows."""
    page = Page.read(f"docs/howto/{name}.md")
    page.compare(page.run(tmp_path))


def test_from_boto3(tmp_path: Path, localstack_url: str) -> None:
    """What boto3 has uploaded by hand is imported as stages."""
    page = Page.read("docs/howto/from-boto3.md")
    page.compare(page.run(tmp_path, servers={LOCALSTACK: localstack_url}))


def test_stores_that_are_not_amazons(tmp_path: Path, localstack_url: str, rclone_url: str) -> None:
    """One that creates only is used as it is; one that does not needs a single writer."""
    page = Page.read("docs/howto/r2-and-minio.md")
    page.compare(page.run(tmp_path, servers={LOCALSTACK: localstack_url, RCLONE: rclone_url}))
