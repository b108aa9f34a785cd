"""The rule of quicklooks: which directory belongs to an output, and where restored ones go."""

from __future__ import annotations

from pathlib import Path

import pytest

from up42_state.contract import check_there, quicklooks_in, quicklooks_of
from up42_state.errors import PathNotFoundError, SettingsError


@pytest.mark.parametrize("output", ["/tmp/output", "/tmp/output/", "/tmp/./output", "/tmp/x/../output"])
def test_quicklooks_of_the_contracts_output_lie_beside_it(output: str) -> None:
    """The block contract has a directory of its own for the quicklooks of ``/tmp/output``."""
    assert quicklooks_of(Path(output), True) == Path("/tmp/quicklooks")


def test_quicklooks_of_another_output_lie_in_it() -> None:
    """Everywhere else they are in ``.quicklooks`` of the output, which need not be there."""
    assert quicklooks_of(Path("/data/output"), True) == Path("/data/output/.quicklooks")


def test_restored_quicklooks_lie_in_the_target() -> None:
    """In ``/tmp/quicklooks`` they would be saved as those of the next output."""
    for target in ("/tmp/input", "/tmp/output"):
        assert quicklooks_in(Path(target), True) == Path(target, ".quicklooks")


def test_false_leaves_quicklooks_out() -> None:
    """No directory stands for that."""
    assert quicklooks_of(Path("/tmp/output"), False) is None
    assert quicklooks_in(Path("/tmp/input"), False) is None


def test_a_named_directory_is_taken(tmp_path: Path) -> None:
    """For an output as for an input, whatever the rule says otherwise."""
    assert quicklooks_of(Path("/tmp/output"), str(tmp_path)) == tmp_path
    assert quicklooks_in(Path("/tmp/input"), tmp_path / "new") == tmp_path / "new"


def test_a_named_directory_of_an_output_has_to_be_there(tmp_path: Path) -> None:
    """A misspelt name is not taken for an output without quicklooks; the contract's own may be missing."""
    check_there(tmp_path)
    check_there(True)
    with pytest.raises(PathNotFoundError, match=r"there is no quicklook directory .*/new"):
        check_there(tmp_path / "new")


@pytest.mark.parametrize("rule", [quicklooks_of, quicklooks_in])
def test_what_is_no_path_is_refused(rule: object) -> None:
    """NUL ends a path for the system."""
    with pytest.raises(SettingsError, match="cannot be a path"):
        rule(Path("/data"), "a\0b")  # type: ignore[operator]  # either of the two functions
