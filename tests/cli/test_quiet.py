"""``--quiet``: nothing on stderr but errors, whatever the verb."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from manifest.examples import processing_block, text_of

from up42_state.cli.common import Common
from up42_state.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Call = Callable[..., Result]

J, S = ("--job", "3f0c"), ("--job", "3f0c", "--stage", "scenes:1")
# A call of each verb that succeeds and has something to say on stderr, if it ever says anything.
CALLS: dict[str, tuple[str, ...]] = {
    "run": ("workflow.yaml", *J),
    "plan": ("workflow.yaml", *J),
    "exec": (
        *(*J, "--stage", "t:1", "--after", "scenes:1", "--input", "in", "--output", "made", "--clear"),
        *("--", sys.executable, "-c", "import shutil; shutil.copytree('in', 'made', dirs_exist_ok=True)"),
    ),
    "save": ("warns", *S),
    "restore": ("scenes:1", "in", *J, "--id", "none"),
    "propagate": ("scenes:1", "--into", "warns", *J, "--id", "none"),
    "jobs": ("--long", "--sort", "time"),
    "stages": J,
    "show": S,
    "history": S,
    "log": ("3f0c/scenes:1",),
    "stac": ("3f0c/scenes:1",),
    "report": ("3f0c", "-o", "job.html"),
    "verify": J,
    "rm": S,
    "prune": ("--all", "--older-than", "30d"),
    "manifest": ("validate", "UP42Manifest.json", "UP42Manifest.json"),
    "workflow": ("check", "workflow.yaml"),
    "engine": ("look", "--task", "{}"),
    "doctor": (),
    "demo": ("demo",),
    "ls": ("3f0c/scenes:1",),
    "cat": ("3f0c/scenes:1", "a.tif"),
    "check": ("warns",),
    "diff": ("3f0c/scenes:1", "3f0c/scenes:1"),
    "completion": ("bash",),
}
WORKFLOW = {"name": "w", "tasks": [{"name": "made:1", "command": ["true"], "block": "block"}]}


@pytest.fixture
def place(
    tmp_path: Path, saved: Callable[..., None], output: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A directory with what the calls name; the store holds one stage."""
    saved("scenes:1", a=b"a")
    output("warns", a=b"a")
    collection = json.loads((tmp_path / "warns/data.json").read_text())
    collection["features"][0]["properties"]["up42.data.aoiclipped"] = "gone.tif"
    (tmp_path / "warns/data.json").write_text(json.dumps(collection))
    manifest = processing_block(homepage="https://example.org")
    (tmp_path / "UP42Manifest.json").write_text(text_of(manifest))
    (tmp_path / "workflow.yaml").write_text(json.dumps(WORKFLOW))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("verb", root.list_commands(click.Context(root, obj=Common())))
def test_nothing_but_errors(call: Call, verb: str) -> None:
    """A call that succeeds prints nothing on stderr; of one that fails it holds the error alone."""
    result = call("--quiet", verb, *CALLS.get(verb, ()))
    if result.exit_code == 0:
        assert result.stderr == ""
    else:
        assert result.stderr.startswith("error: "), result.stderr
        assert result.stderr.count("\n  ") == len(result.stderr.splitlines()) - 1


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("verb", ["save", "restore", "log", "prune", "exec", "manifest", "check"])
def test_these_have_something_to_say(call: Call, verb: str) -> None:
    """Without ``--quiet`` the same calls succeed, and print messages."""
    result = call(verb, *CALLS[verb])
    assert result.exit_code == 0, result.stderr
    assert result.stderr


NOISY = """
import logging, sys, warnings
from up42_state.buckets.directory.bucket import DirectoryBucket
plain = DirectoryBucket.prefixes
def prefixes(self, prefix):
    warnings.warn("a library's warning", DeprecationWarning, stacklevel=2)
    logging.getLogger("library").warning("a library's record")
    return plain(self, prefix)
DirectoryBucket.prefixes = prefixes
warnings.simplefilter("always")
from up42_state.cli import main
main()
"""


@pytest.mark.parametrize(("options", "count"), [(["jobs", "--quiet"], 0), (["jobs"], 2)])
def test_libraries_are_quiet_too(options: list[str], count: int) -> None:
    """Warnings of Python and records of ``logging`` that libraries make are not printed."""
    done = subprocess.run(
        [sys.executable, "-c", NOISY, *options], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.count("a library's") == count


@pytest.mark.usefixtures("place")
def test_quiet_of_another_program(call: Call) -> None:
    """``--quiet`` behind ``--`` is the command's own, and says nothing to us."""
    words = (*CALLS["exec"], "--quiet")
    result = call("exec", *words)
    assert "up42-state: " in result.stderr
