"""Quicklooks lie in a directory of their own, in ``.quicklooks`` of the output, or in both: all are saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from doubles.outputs import write_output

from up42_state.errors import InvalidOutputError, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job


def saved(job: Job, output: Path, quicklooks: Path | bool) -> dict[str, int]:
    """The quicklooks of a stage, by path, with their sizes."""
    job.stage("s:1").save(output, quicklooks=quicklooks)
    return {entry.path: entry.size for entry in job.stage("s:1").files() if entry.kind == "quicklook"}


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"1")
    return folder


def test_those_in_the_output_are_saved_where_others_lie_beside_it(
    job: Job, tmp_path: Path, beside: Path
) -> None:
    """What a block has put into either place is part of its output."""
    output = write_output(tmp_path / "o", {".quicklooks/b.png": b"22", ".quicklooks/deep/a.png": b"333"})
    assert saved(job, output, beside) == {"a.png": 1, "b.png": 2, "deep/a.png": 3}


def test_the_directory_of_the_output_may_be_named_itself(job: Job, tmp_path: Path) -> None:
    """Then each is saved once."""
    output = write_output(tmp_path / "o", {".quicklooks/b.png": b"22"})
    assert saved(job, output, output / ".quicklooks") == {"b.png": 2}


def test_none_are_saved_where_none_are_wanted(job: Job, tmp_path: Path) -> None:
    """``quicklooks=False`` says so."""
    output = write_output(tmp_path / "o", {".quicklooks/b.png": b"22"})
    assert saved(job, output, False) == {}


def test_the_same_one_in_both_places_is_saved_once(job: Job, tmp_path: Path, beside: Path) -> None:
    """Equal bytes under one name are no contradiction."""
    output = write_output(tmp_path / "o", {".quicklooks/a.png": b"1"})
    assert saved(job, output, beside) == {"a.png": 1}


@pytest.mark.parametrize("name", ["a.png", "a.png/b.png"])
def test_different_ones_of_one_name_are_a_defect(job: Job, tmp_path: Path, beside: Path, name: str) -> None:
    """Neither is dropped for the other, also where one is a directory."""
    output = write_output(tmp_path / "o", {f".quicklooks/{name}": b"2"})
    with pytest.raises(InvalidOutputError, match=rf"\.quicklooks/{name}: cannot be saved beside .*keep one"):
        saved(job, output, beside)


def test_a_directory_of_the_name_of_one_beside_is_a_defect(job: Job, tmp_path: Path, beside: Path) -> None:
    """The other way round as well."""
    (beside / "deep").mkdir()
    (beside / "deep" / "b.png").touch()
    output = write_output(tmp_path / "o", {".quicklooks/deep": b"2"})
    with pytest.raises(InvalidOutputError, match=r"\.quicklooks/deep: cannot be saved beside"):
        saved(job, output, beside)


@pytest.mark.parametrize("quicklooks", [True, "beside"])
def test_a_file_where_their_directory_goes_is_a_defect(
    job: Job, tmp_path: Path, beside: Path, quicklooks: str | bool
) -> None:
    """It could not be restored, and is not dropped without a word."""
    output = write_output(tmp_path / "o", {".quicklooks": b"picture"})
    with pytest.raises(InvalidOutputError, match=r"\.quicklooks: is no directory"):
        saved(job, output, beside if quicklooks == "beside" else True)


def test_a_link_out_of_the_output_is_a_defect_also_where_others_lie_beside_it(
    job: Job, tmp_path: Path, beside: Path
) -> None:
    """What it leads to is no part of the output."""
    output = write_output(tmp_path / "o", {})
    (output / ".quicklooks").symlink_to("/etc")
    with pytest.raises(InvalidOutputError, match=r"\.quicklooks: is a link out of the output"):
        saved(job, output, beside)


@pytest.mark.parametrize("where", ["o", "o/pictures", "."])
def test_those_in_the_output_elsewhere_are_refused(job: Job, tmp_path: Path, where: str) -> None:
    """They would be saved twice, as files of the output as well."""
    output = write_output(tmp_path / "o", {"pictures/a.png": b"1"})
    with pytest.raises(SettingsError, match="lies in the"):
        saved(job, output, tmp_path / where)


def test_those_that_were_restored_into_an_output_are_saved_from_there(job: Job, tmp_path: Path) -> None:
    """Whatever a restore puts into a directory, a save takes from it."""
    output = write_output(tmp_path / "o", {".quicklooks/b.png": b"22"})
    job.stage("first:1").save(output)
    job.stage("first:1").restore(tmp_path / "again")
    assert saved(job, tmp_path / "again", True) == {"b.png": 2}
