"""Arguments and settings that somebody has made to do harm are wrong usage, told before a store is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from doubles.outputs import contents, write_output

from up42_state import Block, Manifest, propagate
from up42_state.block.task import run_task
from up42_state.buckets import open_bucket
from up42_state.cli.root import root as root_command
from up42_state.errors import (
    PathNotFoundError,
    SettingsError,
)
from up42_state.features import Collection, Selection
from up42_state.manifest import read_label
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/../b/c", "/a", "", "a\0", "a\n", "é", ".hidden", "-x", "x" * 201]
)
def test_a_hostile_name_is_refused(job: Job, name: str) -> None:
    """Job keys and stage names are made of a few characters, and lead nowhere."""
    for act in (lambda: job.state.job(name), lambda: job.stage(name)):
        with pytest.raises(SettingsError):
            act()


@pytest.mark.parametrize(
    "url",
    [
        "file:///tmp/%FF",
        "file:///tmp/\udcff",
        "file:///a%00b",
        "s3://a\0b",
        "gs://\ud800",
        "s3://b/../c",
        "://",
        "s3:/b",
    ],
)
def test_a_hostile_url_is_refused(url: str) -> None:
    """A store's URL that could lead elsewhere is wrong usage."""
    with pytest.raises(SettingsError):
        open_bucket(url, Settings(aws_access_key_id="a", aws_secret_access_key="b"))


@pytest.mark.parametrize("path", ["a\0b", "\0", "\ud800"])
def test_a_path_that_no_file_can_have(job: Job, root: Path, path: str) -> None:
    """NUL or half a character in any path is wrong usage, whether there is such a stage or not."""
    stage = job.stage("s")
    place = Settings(url="memory://paths", job="j", stage="s")
    for act in (
        lambda: stage.save(path),
        lambda: stage.save(root, quicklooks=path),
        lambda: stage.restore(path),
        lambda: stage.restore(root / "in", quicklooks=path),
        lambda: propagate(path, [stage]),
        lambda: propagate(root, [stage], quicklooks=path),
        lambda: Block(input=path),
        lambda: run_task(["true"], settings=place, output=path),
        lambda: Manifest.read(path),
        lambda: read_label(path),
    ):
        with pytest.raises(SettingsError, match="cannot be a path"):
            act()


def test_an_empty_path(job: Job) -> None:
    """Nothing at all is no path, and not the working directory."""
    for act in (lambda: job.stage("s").restore(""), lambda: Block(output=""), lambda: propagate("")):
        with pytest.raises(SettingsError, match="an empty text cannot be a path"):
            act()


EMPTY = {
    "save": ["save", "", "--job", "j", "--stage", "s"],
    "restore": ["restore", "s", "", "--job", "j"],
    "restore --overwrite": ["restore", "s", "", "--job", "j", "--overwrite"],
    "propagate": ["propagate", "s", "--job", "j", "--into", ""],
    "exec --clear": ["exec", "--clear", "--job", "j", "--stage", "s", "--output", "", "--", "true"],
    "demo": ["demo", ""],
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_directory_name_is_not_the_working_directory(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """What a shell makes of a variable that nobody has set is wrong usage, and nothing is touched."""
    root.mkdir(exist_ok=True)
    (root / "precious").write_bytes(b"mine")
    monkeypatch.chdir(root)
    result = CliRunner().invoke(root_command, EMPTY[name], prog_name="up42-state")
    assert result.exit_code == (125 if name.startswith("exec") else 2)
    assert "it is empty; write . for the working directory" in result.stderr
    assert [path.name for path in root.iterdir()] == ["precious"]


def test_a_name_in_a_stage_that_no_file_can_have(job: Job, root: Path) -> None:
    """What is looked up in a stage rather than on this machine is not there."""
    job.stage("s").save(write_output(root / "out", {"a.tif": b"a"}))
    with pytest.raises(PathNotFoundError):
        job.stage("s").open("a\0b")
    job.stage("s").restore(root / "in", path="a\0*")
    assert set(contents(root / "in")) == {"data.json"}


CALLS = {
    "save": ["save", "a\0b", "--job", "j", "--stage", "s"],
    "save --quicklooks": ["save", "--job", "j", "--stage", "s", "--quicklooks", "a\0b"],
    "restore": ["restore", "s", "a\0b", "--job", "j"],
    "restore --path": ["restore", "s", "--job", "j", "--path", "a\0b"],
    "propagate": ["propagate", "s", "--job", "j", "--into", "a\0b"],
    "jobs": ["jobs", "--url", "file:///a\0b"],
    "show": ["show", "--job", "a\0b"],
    "verify": ["verify", "--job", "j", "--stage", "a\0b"],
    "exec": ["exec", "--job", "j", "--stage", "s", "--output", "a\0b", "--", "true"],
    "exec -- COMMAND": ["exec", "--job", "j", "--stage", "s", "--", "true", "a\0b"],
    "manifest validate": ["manifest", "validate", "a\0b"],
    "manifest label": ["manifest", "label", "a\0b"],
    "manifest check": ["manifest", "check", "a\0b"],
    "doctor": ["doctor", "--url", "s3://a\0b"],
    "demo": ["demo", "a\0b"],
    "no verb": ["a\0b"],
}


@pytest.mark.parametrize("name", CALLS)
def test_nul_on_the_command_line(name: str) -> None:
    """NUL in any argument of any verb is wrong usage, told with its place."""
    call = CALLS[name]
    place = next(number for number, argument in enumerate(call, 1) if "\0" in argument)
    result = CliRunner().invoke(root_command, call, prog_name="up42-state")
    assert result.exit_code == 2
    assert f"argument {place} holds NUL" in result.stderr


def test_nul_in_a_command() -> None:
    """A block's command with NUL is wrong usage too, before anything is restored for it."""
    with pytest.raises(SettingsError, match="the command holds NUL"):
        run_task(["true", "a\0b"], settings=Settings())


@pytest.mark.parametrize("value", ["\ud800", object(), {1: {2}}, json.loads("[" * 900 + "]" * 900)])
def test_parameters_that_are_no_json(job: Job, root: Path, bucket: FaultyBucket, value: Any) -> None:
    """Parameters that JSON cannot hold are refused before anything is uploaded."""
    output = write_output(root / "out", {"a.tif": b"a"})
    with pytest.raises(SettingsError, match="parameters cannot be written as JSON"):
        job.stage("s").save(output, parameters={"p": value})
    assert bucket.operations.count("put", "create") == 0


@pytest.mark.parametrize(
    "text",
    ['{"a":1e400}', '{"a":NaN}', '{"a":"\\ud800"}', '{"a":' + "[" * 100_000, '{"a":%s}' % ("1" * 5000)],
)
def test_hostile_parameters_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Parameters in the environment are JSON that any JSON parser takes, or wrong usage."""
    monkeypatch.setenv("UP42_TASK_PARAMETERS", text)
    with pytest.raises(SettingsError, match="UP42_TASK_PARAMETERS"):
        Settings()


def test_a_hostile_condition() -> None:
    """A condition's value is text where it is no JSON, however deep it pretends to be."""
    text = "[" * 100_000
    document = {"properties": {"a": text}}
    collection = Collection(json.dumps({"type": "FeatureCollection", "features": [document]}).encode())
    assert collection[0] in Selection(where=[f"a={text}"])
