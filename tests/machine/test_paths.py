"""Which directories may not lie in one another, however they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from up42_state.contract import check_apart
from up42_state.errors import SettingsError
from up42_state.machine.paths import check_no_link, lies_in

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``a/b`` and a link ``to-a``; the working directory."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "to-a").symlink_to("a")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ("a", "a"),
        ("a/b", "a"),
        ("a/b", "."),
        ("a/b", "/"),
        ("a/../a/b/.", "a"),
        ("to-a/b", "a"),
        ("a/b", "to-a"),
        ("a/new", "a"),
        ("to-a/new/er", "a/new"),
        ("a/new", "a/new"),
    ],
)
def test_what_lies_in_another_is_found(there: Path, inner: str, outer: str) -> None:
    """Links above, ``..`` and directories that are not there yet hide nothing, nor does an absolute path."""
    assert lies_in(inner, outer)
    assert lies_in(there / inner, outer)


@pytest.mark.parametrize(
    ("one", "other"), [("a/b", "a/c"), ("a", "ab"), ("new", "newer"), ("a/new/x", "a/new/y"), ("a", "a/b")]
)
def test_what_lies_beside_another_is_not(there: Path, one: str, other: str) -> None:
    """A name that begins like another one's is another."""
    assert not lies_in(one, other)


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"stores": ["o/store"], "output": "o"}, "store in o/store and the output directory o lie in one"),
        ({"stores": ["s"], "output": "s/o"}, "store in s and the output directory s/o lie in one another"),
        ({"stores": ["s", "t"], "quicklooks": "t"}, "store in t and the quicklooks directory t"),
        ({"stores": ["s"], "input": "s/j/x:1"}, "the input directory"),
        ({"stores": ["s"], "target": "s/../s/in"}, "the target directory"),
        ({"input": "x", "output": "x"}, "the input directory x lies in the output directory x"),
        ({"input": "x/in", "output": "x"}, "the input directory x/in lies in the output"),
        ({"input": "x", "output": "x/out"}, "the output directory x/out lies in the input"),
        ({"output": "x", "quicklooks": "x"}, "lies in the"),
        ({"output": "x", "quicklooks": "x/pictures"}, "quicklooks may lie in .quicklooks of the output"),
        ({"output": "q/x", "quicklooks": "q"}, "the output directory q/x lies in the quicklooks"),
        ({"input": "i", "quicklooks": "i/.quicklooks"}, "lies in the input"),
    ],
)
def test_overlaps_are_refused(
    there: Path,
    places: dict[str, str | list[str]],
    message: str,
) -> None:
    """The message names both directories."""
    with pytest.raises(SettingsError, match=message):
        check_apart(**places)  # type: ignore[arg-type]


@pytest.mark.parametrize("quicklooks", ["q", "o/.quicklooks", "o/../o/.quicklooks"])
def test_directories_apart_are_fine(there: Path, quicklooks: str) -> None:
    """Quicklooks may lie where an output keeps its own."""
    check_apart(stores=["s"], input="i", output="o", quicklooks=quicklooks)


def test_a_link_is_refused_and_one_above_is_not(there: Path) -> None:
    """/tmp may be a link; what is filled and emptied may not."""
    check_no_link(there / "to-a" / "b", "output")
    with pytest.raises(SettingsError, match=r"the output directory .*to-a is a link to a"):
        check_no_link(there / "to-a", "output")
