"""Help: complete, and quick because nothing of the library is loaded for it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from up42_state import __version__
from up42_state.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

HEAVY = {
    "boto3",
    "botocore",
    "fsspec",
    "geojson",
    "google",
    "jsonschema",
    "msgspec",
    "pydantic",
    "rich",
    "yaml",
}
VERBS = sorted(root.list_commands(root.make_context("up42-state", ["jobs"])))
SHOW_MODULES = """
import atexit, sys
atexit.register(lambda: sys.stderr.write(" ".join(sys.modules)))
from up42_state.cli import main
main()
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["save", "--help"], ["manifest", "--help"]])
def test_help_loads_no_library(arguments: list[str]) -> None:
    """Help loads neither an SDK nor anything else that takes long to load."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW_MODULES, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "up42_state.cli.root" in done.stderr.split()
    assert not HEAVY & {name.partition(".")[0] for name in done.stderr.split()}


def test_version(call: Callable[..., Result]) -> None:
    """``--version`` says which release it is."""
    assert call("--version").stdout == f"up42-state {__version__}\n"


def test_help_lists_every_verb(call: Callable[..., Result]) -> None:
    """The root's help has a line for each verb, none of them cut."""
    lines = call("--help").stdout.partition("Commands:\n")[2].splitlines()
    assert sorted(line.split()[0] for line in lines) == VERBS
    assert not [line for line in lines if line.endswith("...")]


@pytest.mark.parametrize("verb", VERBS)
def test_verb_has_help(call: Callable[..., Result], verb: str) -> None:
    """Every verb explains itself."""
    result = call(verb, "--help")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: up42-state {verb} ")


@pytest.mark.parametrize("verb", VERBS)
def test_verb_has_shared_options(call: Callable[..., Result], verb: str) -> None:
    """Every verb takes the options that the root takes."""
    words = call(verb, "--help").stdout.split()
    assert {"--url", "--json", "--quiet", "--debug"} <= set(words)


def test_no_verb_gives_help_and_fails(call: Callable[..., Result]) -> None:
    """Without a verb there is help on stderr and the exit code of wrong usage."""
    result = call()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: up42-state ")
