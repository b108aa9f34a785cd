"""What identifies a function's code."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from up42_state.errors import InvalidWorkflowError
from up42_state.workflow.blocks.source import code_of_function

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "blocks.py").write_text("import helper\ndef keep(fc): return fc\n")
    (tmp_path / "helper.py").write_text("def f():\n    from deeper import x\n")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "__init__.py").write_text("from deeper.inner import x\n")
    (tmp_path / "deeper" / "inner.py").write_text("x = 1\n")
    (tmp_path / "other.py").write_text("x = 1\n")
    return tmp_path


@pytest.mark.parametrize("name", ["blocks.py", "helper.py", "deeper/__init__.py", "deeper/inner.py"])
def test_what_a_function_imports_is_its_code(folder: Path, name: str) -> None:
    """A change in the module, or in what it imports from its folder, is a change of the code."""
    before = code_of_function("blocks:keep", folder)
    (folder / name).write_text((folder / name).read_text() + "y = 2\n")
    assert code_of_function("blocks:keep", folder) != before


def test_what_it_does_not_import_is_not(folder: Path) -> None:
    """A module that is not imported, and when and where files were made, do not count."""
    before = code_of_function("blocks:keep", folder)
    (folder / "other.py").write_text("x = 2\n")
    moved = folder.rename(folder.parent / "elsewhere")
    assert code_of_function("blocks:keep", moved) == before


def test_nothing_is_imported(folder: Path) -> None:
    """Finding the code runs none of it."""
    (folder / "deeper" / "inner.py").write_text("raise SystemExit\n")
    assert code_of_function("deeper.inner:f", folder).startswith("function deeper.inner:f sha256:")
    assert "deeper" not in sys.modules


def test_an_installed_function(folder: Path) -> None:
    """Of an installed function the distribution's version counts."""
    found = code_of_function("geojson.utils:coords", folder)
    assert found.startswith(f"function geojson.utils:coords geojson {version('geojson')} sha256:")


@pytest.mark.parametrize("module", ["nowhere", "deeper.nowhere", "blocks.nowhere"])
def test_no_such_module(folder: Path, module: str) -> None:
    """A module that is not there is said, with where to put it."""
    with pytest.raises(InvalidWorkflowError, match=f"there is no module {module}.*put"):
        code_of_function(f"{module}:f", folder)


def test_a_module_that_is_no_python(folder: Path) -> None:
    """A module that cannot be parsed has a digest nevertheless: it fails when it runs, in a log."""
    (folder / "blocks.py").write_text("def (:\n")
    assert code_of_function("blocks:keep", folder)
