"""Commands and paths that people paste: this program, and how its extras are installed."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from up42_state.machine.command import own_command, path_from_here
from up42_state.machine.extras import install_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[..., Path]

METADATA = """Metadata-Version: 2.4
Name: up42-state
Version: 9
Requires-Dist: boto3>=1
Requires-Dist: bokeh>=3.9; extra == "report"
Requires-Dist: starlette>=0.40; extra == 'server'
Requires-Dist: uvicorn>=0.30; python_version >= "3" and extra == "server"
Provides-Extra: report
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Writes the metadata of an installed package, which is found before the real one; gives its place."""

    def write(origin: object = None, installer: str = "pip") -> Path:
        place = tmp_path / "site"
        info = place / "up42_state-9.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(METADATA)
        (info / "INSTALLER").write_text(f"{installer}\n")
        if origin is not None:
            text = origin if isinstance(origin, str) else json.dumps(origin)
            (info / "direct_url.json").write_text(text)
        monkeypatch.syspath_prepend(str(place))
        return place

    return write


def what(extra: str) -> list[str]:
    """What is installed, without the program that installs it."""
    words = shlex.split(install_command(extra))
    return words[words.index("install") + 1 :]


def test_from_an_index(install: Install) -> None:
    """There the name and the extra are enough."""
    install()
    assert what("report") == ["up42_state[report]"]


@pytest.mark.parametrize(("editable", "option"), [(True, ["-e"]), (False, [])])
def test_from_a_directory(install: Install, tmp_path: Path, editable: bool, option: list[str]) -> None:
    """The directory is installed again as it was, with blanks in its name, too."""
    source = tmp_path / "my clone"
    source.mkdir()
    install({"url": source.as_uri(), "dir_info": {"editable": editable}})
    assert what("server") == [*option, f"{source}[server]"]


@pytest.mark.parametrize(
    "origin",
    [
        {"url": "file:///gone/up42_state", "dir_info": {}},
        {"url": "file:///gone/up42_state-9.whl", "archive_info": {}},
        {"url": "https://user:secret@example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": "a"}},
    ],
)
def test_from_what_cannot_be_installed_again(install: Install, origin: object) -> None:
    """What the extra requires is named: that needs no place of ours."""
    install(origin)
    assert what("report") == ["bokeh>=3.9"]
    assert what("server") == ["starlette>=0.40", "uvicorn>=0.30"]


@pytest.mark.parametrize("origin", ["{", "[]"])
def test_a_damaged_record_is_none(install: Install, origin: str) -> None:
    """A record that is no JSON object says nothing."""
    install(origin)
    assert what("report") == ["up42_state[report]"]


def test_the_pip_of_this_python(install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """``pip`` alone if a shell finds the one of this Python; else this Python's, by its path."""
    install()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shlex.split(install_command("report"))[:4] == [sys.executable, "-m", "pip", "install"]
    (tmp_path / "pip").write_text("#!/bin/sh\n")
    (tmp_path / "pip").chmod(0o755)
    assert shlex.split(install_command("report"))[0] == sys.executable
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert install_command("report") == "pip install 'up42_state[report]'"


def test_of_this_installation() -> None:
    """The package under test is installed somehow, and the command names the extra or what it requires."""
    assert "[server]" in install_command("server") or "starlette" in install_command("server")


def executable(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_program_as_it_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name if the shell finds this one, its path as it was given if not, quoted where that must be."""
    clone = tmp_path / "my clone"
    executable(clone / ".venv/bin/up42-state")
    other = executable(tmp_path / "other/up42-state")
    monkeypatch.chdir(clone)
    monkeypatch.setenv("PWD", str(clone))
    monkeypatch.setenv("PATH", str(other.parent))
    monkeypatch.setattr("sys.argv", [".venv/bin/up42-state", "demo"])
    assert own_command("stages") == ".venv/bin/up42-state stages"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(clone / ".venv/bin/up42-state"), "demo"])
    assert shlex.split(own_command("a b")) == [f"{clone}/.venv/bin/up42-state", "a b"]
    monkeypatch.setenv("PATH", str(clone / ".venv/bin"))
    assert own_command("stages") == "up42-state stages"


def test_the_program_without_a_script_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no script of ours is, the command runs this Python."""
    link = tmp_path / "python"
    link.symlink_to(sys.executable)
    monkeypatch.setattr("sys.argv", ["/usr/bin/pytest"])
    monkeypatch.setattr("sys.executable", str(link))
    command = own_command("--version")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.startswith("up42-state ")


def test_paths_as_the_shell_knows_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the shell's directory they are relative; where make has changed the directory they are whole."""
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    monkeypatch.setenv("PWD", str(tmp_path / "clone"))
    assert path_from_here("demo/report.html") == "demo/report.html"
    assert path_from_here(tmp_path / "x") == str(tmp_path / "x")
    monkeypatch.setenv("PWD", str(tmp_path))
    assert path_from_here("demo/report.html") == str(tmp_path / "clone/demo/report.html")
