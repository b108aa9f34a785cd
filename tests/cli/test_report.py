"""``report``: what the verb adds to :func:`up42_state.publish.report.write_report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result


@pytest.fixture(autouse=True)
def stage(saved: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job with one stage, and a working directory of its own."""
    saved("scenes:1", a=b"a", b=b"b")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("words", [["3f0c"], ["--job", "3f0c"], ["3f0c", "--job", "3f0c"]])
def test_the_job_is_given_either_way(call: Callable[..., Result], words: list[str]) -> None:
    """The page goes to the working directory, under the job's name; one line says so."""
    result = call("report", *words)
    assert result.exit_code == 0
    assert result.stdout.startswith("3f0c.html  2 features of 1 stage, ")
    assert Path("3f0c.html").read_text().startswith("<!doctype html>")


def test_the_job_of_the_settings(call: Callable[..., Result]) -> None:
    """Without a job on the command line that of ``UP42_STATE_JOB`` is meant."""
    assert call("report", UP42_STATE_JOB="3f0c").exit_code == 0


def test_two_jobs_are_one_too_many(call: Callable[..., Result]) -> None:
    """Which of two is meant cannot be told."""
    result = call("report", "3f0c", "--job", "other")
    assert (result.exit_code, "--job says other" in result.stderr) == (2, True)


def test_the_file_of_the_callers_choice(ask: Callable[..., Any], tmp_path: Path) -> None:
    """A file that is there is replaced; as JSON the verb says where the page is, and what is in it."""
    Path("page.html").write_text("earlier")
    found = ask("report", "3f0c", "-o", "page.html")
    assert Path(found.pop("path")).resolve() == tmp_path / "page.html"
    assert found == {
        "url": (tmp_path / "page.html").as_uri(),
        "size": Path("page.html").stat().st_size,
        "stages": 1,
        "features": 2,
        "left_out": 0,
        "problems": {},
    }


def test_a_directory_that_is_not_there(call: Callable[..., Result]) -> None:
    """No directory is made, and the error names the file."""
    result = call("report", "3f0c", "-o", "nowhere/page.html")
    assert result.exit_code != 0
    assert "nowhere" in result.stderr
    assert not Path("nowhere").exists()


def test_a_damaged_stage_is_a_warning(call: Callable[..., Result], store: Path) -> None:
    """The page is made all the same."""
    (commit,) = store.rglob("commits/00000001.json")
    commit.write_bytes(b"{")
    result = call("report", "3f0c")
    assert result.exit_code == 0
    assert "warning: scenes:1: revision 1 is damaged" in result.stderr


def test_a_job_that_is_not_there(call: Callable[..., Result]) -> None:
    """It is not found, and no page is made of nothing."""
    result = call("report", "other")
    assert (result.exit_code, Path("other.html").exists()) == (3, False)
