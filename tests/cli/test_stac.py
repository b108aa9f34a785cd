"""``stac`` and ``save --from-stac`` on the command line."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from up42_state.cli.names import with_revision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Ask = Callable[..., Any]
    Call = Callable[..., Result]
    Save = Callable[..., None]


def ids(document: dict[str, Any]) -> list[str]:
    return [item["id"] for item in document["features"]]


def test_stages_as_the_tool_prints_them(saved: Save, ask: Ask) -> None:
    """A stage is named as it is printed, by options, or by its job alone; and so are several."""
    saved("scenes:1", a=b"1")
    saved("scenes:1", b=b"2")
    saved("tiling:1", c=b"3")
    assert ids(ask("stac", "3f0c/scenes:1@1")) == ["a"]
    assert ids(ask("stac", "3f0c/scenes:1")) == ["b"]
    assert ids(ask("stac", "scenes:1@1", "--job", "3f0c")) == ["a"]
    assert ids(ask("stac", "--job", "3f0c", "--stage", "scenes:1", "--revision", "1")) == ["a"]
    for whole in (("3f0c/",), ("3f0c",), ("--job", "3f0c"), ("3f0c/scenes:1", "3f0c/tiling:1")):
        assert ids(ask("stac", *whole)) == ["b", "c"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3f0c/tiling:1@12", ("3f0c/tiling:1", 12)),
        ("tiling@1@2", ("tiling@1", 2)),
        ("tiling", ("tiling", None)),
        ("tiling@x", ("tiling@x", None)),
        ("tiling@0", ("tiling@0", None)),
        ("@3", ("@3", None)),
        ("a@³", ("a@³", None)),
    ],
)
def test_revisions_in_names(text: str, expected: tuple[str, int | None]) -> None:
    """What follows the last at sign is a revision if it is a number that a revision can have."""
    assert with_revision(text) == expected


def test_wrong_usage(saved: Save, call: Call, tmp_path: Path) -> None:
    """What contradicts itself is wrong usage, and what would print a secret as well."""
    saved("scenes:1", a=b"1")
    saved("tiling:1", a=b"1")
    for words, problem in (
        (("3f0c/scenes:1@1", "3f0c/tiling:1"), "one stage alone"),
        (("3f0c/scenes:1@1", "--revision", "2"), "3f0c/scenes:1@1 is revision 1, and --revision says 2"),
        (("3f0c/", "--revision", "1"), "3f0c/ is a job, and --revision 1"),
        (("3f0c/", "-o", tmp_path / "a", "--catalog", tmp_path / "b"), "two documents"),
        (("3f0c/", "--sign", "1h"), "secrets, which are not printed"),
        (("3f0c/", "--sign", "soon", "-o", tmp_path / "a"), "is not a time"),
        ((), "no job is given"),
    ):
        result = call("stac", *words)
        assert result.exit_code == 2, words
        assert problem in result.stderr
    assert call("stac", "3f0c/none").exit_code == 3
    assert call("stac", "none/").exit_code == 3


def test_a_file(saved: Save, ask: Ask, call: Call, tmp_path: Path) -> None:
    """A file is written whole, replaces what was there, and warnings are told on stderr."""
    saved("scenes:1", a=b"1")
    target = tmp_path / "new" / "items.json"
    result = call("stac", "3f0c/", "-o", target)
    assert result.exit_code == 0
    assert "warning: 1 feature had no time" in result.stderr
    assert ids(json.loads(target.read_text())) == ["a"]
    found = ask("stac", "3f0c/", "-o", target)
    assert (found["written"], found["items"], found["signed"]) == (str(target), 1, False)
    assert len(found["warnings"]) == 1
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o666 & ~mask
    assert list(target.parent.iterdir()) == [target]
    assert call("stac", "3f0c/", "-o", tmp_path / "new").exit_code == 2
    link = tmp_path / "link"
    link.symlink_to(target)
    assert ask("stac", "3f0c/", "-o", link)["items"] == 1
    assert link.is_symlink()


def test_a_pipe(saved: Save, start: Callable[..., Any]) -> None:
    """A device is written to, and not replaced by a file."""
    saved("scenes:1", a=b"1")
    process = start("stac", "3f0c/", "-o", "/dev/stdout")
    printed, _ = process.communicate(timeout=30)
    assert ids(json.loads(printed.splitlines()[0])) == ["a"]
    assert os.path.islink("/dev/stdout") or not os.path.isfile("/dev/stdout")


def test_a_catalog(saved: Save, ask: Ask, call: Call, tmp_path: Path) -> None:
    """A catalog is written into a new or an empty directory, and into no other."""
    saved("scenes:1", a=b"1")
    target = tmp_path / "catalog"
    target.mkdir()
    assert ask("stac", "3f0c/", "--catalog", target)["items"] == 1
    assert {str(path.relative_to(target)) for path in target.rglob("*.json")} == {
        *("catalog.json", "scenes-1/collection.json", "scenes-1/a/a.json"),
    }
    again = call("stac", "3f0c/", "--catalog", target)
    assert again.exit_code == 4
    assert "holds something already" in again.stderr


def test_a_store_that_cannot_sign(saved: Save, call: Call, tmp_path: Path) -> None:
    """A directory has no signed URLs; nothing is left behind."""
    saved("scenes:1", a=b"1")
    result = call("stac", "3f0c/", "--sign", "12h", "-o", tmp_path / "items.json")
    assert result.exit_code == 7
    assert "has no signed URLs" in result.stderr
    assert not (tmp_path / "items.json").exists()


def test_save_from_stac(saved: Save, ask: Ask, call: Call, tmp_path: Path, store: Path) -> None:
    """A document of ours is saved as a stage of another job, with the bytes that it names."""
    saved("scenes:1", a=b"1", b=b"22")
    call("stac", "3f0c/scenes:1", "-o", tmp_path / "doc" / "items.json")
    words = ("save", "--from-stac", tmp_path / "doc" / "items.json", "--job", "other", "--stage", "s")
    refused = call(*words)
    assert refused.exit_code == 2
    assert "--stac-root DIR" in refused.stderr
    commit = ask(*words, "--stac-root", store)
    assert (commit["totals"]["features"], commit["totals"]["files"], commit["totals"]["bytes"]) == (2, 2, 3)
    files = {file["path"]: file["sha256"] for file in ask("show", "--job", "other", "--stage", "s")["files"]}
    before = {
        file["path"]: file["sha256"] for file in ask("show", "--job", "3f0c", "--stage", "scenes:1")["files"]
    }
    assert files == before
    assert ask(*words, "--stac-root", store)["outcome"] == "unchanged"


def test_save_from_stac_tells_what_is_elsewhere(call: Call, ask: Ask, tmp_path: Path) -> None:
    """Assets on other machines are said on stderr and in JSON."""
    item = {
        "type": "Feature",
        "id": "a",
        "geometry": None,
        "properties": {},
        "assets": {"a": {"href": "s3://b/a"}},
    }
    (tmp_path / "item.json").write_text(json.dumps(item))
    words = ("save", "--from-stac", tmp_path / "item.json", "--job", "j", "--stage", "s")
    assert "warning: 1 asset lies on another machine" in call(*words).stderr
    assert any("on another machine" in text for text in ask(*words)["warnings"])


def test_save_from_stac_wrong_usage(call: Call, output: Callable[..., Path], tmp_path: Path) -> None:
    """DIR beside a document, and a root without one, are wrong usage; so is a URL."""
    words = ("--job", "j", "--stage", "s")
    for given, problem in (
        ((output(a=b"1"), "--from-stac", "x.json"), "two outputs"),
        (("--stac-root", tmp_path), "--from-stac"),
        (("--from-stac", "https://example.com/items.json"), "nothing is fetched"),
    ):
        result = call("save", *given, *words)
        assert result.exit_code == 2
        assert problem in result.stderr
