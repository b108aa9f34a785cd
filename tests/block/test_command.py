"""A command as a recipe counts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from up42_state.block.recipe.command import placeless

PLACES = {"input": Path("/w/in"), "output": Path("/w/out"), "here": Path("/w")}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("/w/out", "<output>"),
        ("/w/out/data.json", "<output>/data.json"),
        ("--out=/w/out", "--out=<output>"),
        ("cp -r /w/in/. /w/out; ls", "cp -r <input>/. <output>; ls"),
        ("/w/output", "<here>/output"),
        ("/x/w/out", "/x/w/out"),
        ("../w/out", "../w/out"),
        ("/w/out-2/x", "<here>/out-2/x"),
        ("/data/model.bin", "/data/model.bin"),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_directories_of_the_task_are_named(word: str, expected: str) -> None:
    """Where the task works makes no difference; any other path does."""
    assert placeless(["run", word], places=PLACES) == ("run", expected)


@pytest.mark.parametrize("program", ["python3", "/usr/bin/python3", "../venv/bin/python3"])
def test_a_program_counts_by_its_name(program: str) -> None:
    """One machine has it here, another there."""
    assert placeless([program, "-V"], places=PLACES) == ("python3", "-V")


def test_scripts_count_by_their_place_in_the_block() -> None:
    """Named from anywhere, a script is the same one; what it holds counts as code."""
    scripts = [Path("/w/src/run.py")]
    assert placeless(["sh", "/w/src/run.py"], places=PLACES, scripts=scripts) == ("sh", "run.py")
    inside = placeless(["sh", "/w/src/run.py"], places=PLACES, scripts=scripts, homes=[Path("/w")])
    assert inside == ("sh", "src/run.py")


def test_no_command_is_no_command() -> None:
    """Code that runs in this process has none."""
    assert placeless([], places=PLACES) == ()


def test_the_root_as_working_directory_names_nothing() -> None:
    """Else every absolute path would begin with it."""
    assert placeless(["sh", "/data/x"], places={"here": Path("/")}) == ("sh", "/data/x")
