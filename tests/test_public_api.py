"""What the package shows: its names, its errors, and what importing it costs."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys

import pytest

import up42_state
from up42_state import errors

SDKS = (
    "boto3",
    "botocore",
    "google.cloud.storage",
    "fsspec",
    "pydantic",
    "dask",
    "click",
    "rich",
    "geojson",
)


def test_names() -> None:
    """The exported names are these, sorted, and every one can be had."""
    assert up42_state.__all__ == sorted(up42_state.__all__)
    assert set(up42_state.__all__) == {
        "Block", "Commit", "Job", "Manifest", "Propagation", "Restored", "Saved", "Settings", "Stage",
        "State", "StateError", "check_workflow", "propagate",
    }  # fmt: skip
    for name in up42_state.__all__:
        assert getattr(up42_state, name).__module__.startswith("up42_state.")
    assert set(up42_state.__all__) <= set(dir(up42_state))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name is not mistaken for a module."""
    with pytest.raises(AttributeError, match="has no attribute 'Stat'"):
        _ = up42_state.Stat


@pytest.mark.parametrize("statement", ["import up42_state", "from up42_state import State; State('s3://b')"])
def test_importing_loads_no_sdk(statement: str) -> None:
    """Importing the package, or naming a state, loads nothing that a store would need."""
    code = f"{statement}; import sys; print(*[name for name in {SDKS!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def tree(cls: type[errors.StateError], depth: int = 0) -> list[tuple[int, str, str, int]]:
    rows = [(depth, cls.__name__, cls.code, cls.exit_status)]
    for child in cls.__subclasses__():
        rows += tree(child, depth + 1) if child.__module__ == errors.__name__ else []
    return rows


def test_the_error_tree_is_as_drawn() -> None:
    """The docstring of the errors module shows every class with its place, code and exit status."""
    drawn = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.fullmatch(r"    ([│├└─ ]*)(\w+Error)\s+([\w-]+)\s+(\d)( .*)?", line)
        if match:
            drawn.append((len(match[1]) // 4, match[2], match[3], int(match[4])))
    assert drawn == tree(errors.StateError)


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"Defect"}))
def test_errors_survive_a_process_boundary(name: str) -> None:
    """A worker's error reaches whoever waits for it, whole."""
    error = getattr(errors, name)("what happened", advice="what to do")
    if isinstance(error, errors.InvalidDataError):
        error.defects = (errors.Defect("features[0]", "is wrong"),)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), copy.advice) == (type(error), str(error), "what to do")


def test_every_error_is_exported() -> None:
    """No class of the tree is left out of __all__."""
    assert {name for _, name, _, _ in tree(errors.StateError)} | {"Defect"} == set(errors.__all__)
