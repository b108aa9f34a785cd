"""Two paths that lead to the same files by way of mounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from up42_state.block.leftovers import check_clearable
from up42_state.contract import check_apart
from up42_state.errors import SettingsError
from up42_state.machine import mounts
from up42_state.machine.mounts import mounts_below, share_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the system say that something is mounted: (where, which file system, what of it)."""

    def table(*mounted: tuple[str, str, str]) -> None:
        lines = ["20 1 8:1 / / rw - ext4 /dev/sda1 rw"]
        for point, device, root in mounted:
            where, what = (text.replace(" ", "\\040") for text in (f"{tmp_path}/{point}", root))
            lines.append(
                f"21 20 {device} {what.replace('HERE', str(tmp_path))} {where} rw shared:1 - ext4 x rw"
            )
        (tmp_path / "mountinfo").write_text("\n".join(lines) + "\n")
        monkeypatch.setattr(mounts, "_TABLE", tmp_path / "mountinfo")

    return table


@pytest.mark.parametrize(
    ("table", "shared"),
    [
        ([], False),
        ([("out", "8:1", "HERE/store")], True),
        ([("out", "8:1", "HERE")], True),
        ([("out", "8:1", "HERE/store/job")], True),
        ([("out/deep er", "8:1", "HERE/store")], True),
        ([("store", "8:1", "HERE/out/deep")], True),
        ([("store/job", "8:1", "HERE/out")], True),
        ([("out", "8:1", "HERE/stored")], False),
        ([("out", "8:2", "HERE/store")], False),
        ([("out", "8:2", "/a"), ("store", "8:2", "/a/b")], True),
        ([("out", "8:2", "/a"), ("store", "8:2", "/ab")], False),
        ([("out", "8:1", "HERE/store"), ("out", "8:2", "/")], False),
    ],
)
def test_mounts_of_the_same_files_are_found(
    mounted: Callable[..., None], tmp_path: Path, table: list[tuple[str, str, str]], *, shared: bool
) -> None:
    """By file system and place in it, above, at and below either path; the last mount at a place counts."""
    mounted(*table)
    assert share_files(tmp_path / "out", tmp_path / "store") is shared
    assert share_files(tmp_path / "store", tmp_path / "out") is shared


def test_a_store_that_is_mounted_in_the_output_is_refused(
    mounted: Callable[..., None], tmp_path: Path
) -> None:
    """A save would take it in by the other path."""
    mounted(("out/volume", "8:1", "HERE/store"))
    with pytest.raises(SettingsError, match="lie in one another"):
        check_apart(stores=[tmp_path / "store"], output=tmp_path / "out")


def test_nothing_is_cleared_that_something_is_mounted_in(
    mounted: Callable[..., None], tmp_path: Path
) -> None:
    """What is mounted there may be anybody's; that the directory itself is a mount is fine."""
    (tmp_path / "out").mkdir()
    mounted(("out", "8:2", "/"), ("outer", "8:2", "/"))
    check_clearable(tmp_path / "out")
    mounted(("out", "8:2", "/"), ("out/deep/volume", "8:1", "HERE/documents"))
    assert mounts_below(tmp_path / "out") == [f"{tmp_path}/out/deep/volume"]
    with pytest.raises(SettingsError, match=r"another directory is mounted in it, at .*out/deep/volume"):
        check_clearable(tmp_path / "out", force=True)


def test_a_system_that_does_not_say_has_no_mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are compared all the same."""
    monkeypatch.setattr(mounts, "_TABLE", tmp_path / "nothing")
    assert mounts_below("/") == []
    assert not share_files(tmp_path, tmp_path / "a")
