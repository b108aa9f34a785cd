"""The command line under test: in this process, or as a process of its own, on a directory as the store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from doubles.advice import unknown_options

from up42_state.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

COMMAND = [sys.executable, "-c", "from up42_state.cli import main; main()"]
IMPATIENT = "from up42_state.cli import main, signals; signals.SECONDS_TO_CLEAN_UP = {}; main()"
OURS = ("UP42_", "AWS_", "GOOGLE_", "STORAGE_EMULATOR_HOST")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that ``UP42_STATE_URL`` names, and nothing else of ours in the environment."""
    for name in list(os.environ):
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    directory = tmp_path / "store"
    directory.mkdir()
    monkeypatch.setenv("UP42_STATE_URL", directory.as_uri())
    return directory


@pytest.fixture
def call() -> Callable[..., Result]:
    """Runs the command line in this process."""

    def run(*arguments: object, **environment: str) -> Result:
        words = list(map(str, arguments))
        result = CliRunner(env=environment).invoke(root, words, prog_name="up42-state")
        assert not unknown_options(words, result.stderr), result.stderr
        return result

    return run


@pytest.fixture
def ask(call: Callable[..., Result]) -> Callable[..., Any]:
    """Runs a verb that must succeed, with ``--json``; gives what it printed."""

    def run(*arguments: object) -> Any:
        result = call(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command line as a process, which does not outlive the test.

    :param patience: how many seconds the process has to clean up after a signal, where not its own number.
    """
    with ExitStack() as stack:

        def popen(*arguments: object, patience: float | None = None) -> subprocess.Popen[str]:
            pipe = subprocess.PIPE
            command = COMMAND if patience is None else [*COMMAND[:2], IMPATIENT.format(patience)]
            process = subprocess.Popen([*command, *map(str, arguments)], stdout=pipe, stderr=pipe, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield popen


@pytest.fixture
def output(tmp_path: Path) -> Callable[..., Path]:
    """Makes a block's output: one feature and one file of each name, with the bytes given."""

    def make(name: str = "output", **files: bytes) -> Path:
        directory = tmp_path / name
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir()
        for stem, data in files.items():
            (directory / f"{stem}.tif").write_bytes(data)
        features = [_feature(stem, number) for number, stem in enumerate(files)]
        document = {"type": "FeatureCollection", "features": features}
        (directory / "data.json").write_text(json.dumps(document))
        return directory

    return make


def _feature(name: str, number: int) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": name,
        "geometry": {"type": "Point", "coordinates": [number, number]},
        "properties": {"number": number, "up42.data_path": f"{name}.tif"},
    }


@pytest.fixture
def saved(call: Callable[..., Result], output: Callable[..., Path]) -> Callable[..., None]:
    """Saves a stage of the job ``3f0c`` that holds the files given."""

    def save(stage: str, *options: object, mode: str = "DEFAULT", **files: bytes) -> None:
        directory = output(f"output-of-{stage}", **files)
        words = ("save", directory, "--job", "3f0c", "--stage", stage, *options)
        result = call(*words, UP42_JOB_MODE=mode)
        assert result.exit_code == 0, result.stderr

    return save
