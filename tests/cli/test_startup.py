"""What a verb loads: no SDK that it does not need, and nothing else that takes long to load."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Reading settings loads pydantic-settings, and so asyncio, ssl and dotenv; nothing besides may be loaded.
HEAVY = {
    "boto3",
    "botocore",
    "fsspec",
    "geojson",
    "google",
    "http",
    "jsonschema",
    "requests",
    "rich",
    "urllib3",
    "yaml",
}
SHOW_MODULES = """
import atexit, sys
atexit.register(lambda: sys.stderr.write(" ".join(sys.modules)))
from up42_state.cli import main
main()
"""
STAGE = ("--job", "3f0c", "--stage", "scenes")


def loaded(*arguments: object) -> set[str]:
    """Every module that a verb has loaded when it ends, which it must do well."""
    command = [sys.executable, "-c", SHOW_MODULES, *map(str, arguments), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.split())


def test_save_loads_no_more_than_it_needs(output: Callable[..., Path]) -> None:
    """Saving to a directory loads no SDK, and none of the verbs that look after a store."""
    modules = loaded("save", output(a=b"a"), *STAGE)
    assert "up42_state.stages.write.save" in modules
    assert not HEAVY & {name.partition(".")[0] for name in modules}
    upkeep = {f"up42_state.stages.{name}" for name in ("overview", "prune", "remove", "verify", "reader")}
    assert not upkeep & modules


@pytest.mark.parametrize(
    "arguments", [("restore", "scenes", "in", "--job", "3f0c"), ("show", *STAGE), ("stages", "--job", "3f0c")]
)
def test_reading_loads_nothing_heavy(
    arguments: tuple[str, ...],
    saved: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading from a directory loads no SDK either, and nothing of what saves."""
    saved("scenes", a=b"a")
    monkeypatch.chdir(tmp_path)
    modules = loaded(*arguments)
    assert not HEAVY & {name.partition(".")[0] for name in modules}
    assert not {"up42_state.stages.write.save", "up42_state.stages.write.upload"} & modules
