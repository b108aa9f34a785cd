"""What all formats have in common: options, images, names, secrets, and files that are whole."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from workflow.documents import make_block, write
from workflow.export.conftest import OPTIONS, image_of

from up42_state.cli.root import root
from up42_state.workflow.export.names import dns_name, unique_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

SCENES: dict[str, Any] = {"name": "scenes:1", "image": "scenes"}


def task_texts(document: str) -> dict[str, dict[str, Any]]:
    """The texts of the tasks in an Argo document, by task."""
    templates = yaml.safe_load(document)["spec"]["templates"]
    found = {}
    for template in templates:
        for variable in template.get("container", {}).get("env", ()):
            if variable["name"] == "UP42_STATE_TASK":
                value = json.loads(variable["value"])
                found[value["name"]] = value
    return found


def test_an_image_is_known_by_what_the_engine_says(engine: Path, export: Callable[..., Result]) -> None:
    """The code is the one that a run has, and the document names the digest of the image's registry."""
    name = "example.com:5000/team/scenes:2"
    digests = [
        "example.com/team/scenes@sha256:" + "b" * 64,
        "example.com:5000/team/scenes@sha256:" + "a" * 64,
    ]
    (engine / "images" / "example.com:5000" / "team").mkdir(parents=True)
    (engine / "images" / name).write_text(image_of(7, command=["x"], RepoDigests=digests))
    done = export([{**SCENES, "image": name}])
    assert (done.exit_code, done.stderr) == (0, "")
    assert task_texts(done.stdout)["scenes:1"]["code"] == f"image sha256:{7:064x}"
    assert "image: example.com:5000/team/scenes@sha256:" + "a" * 64 in done.stdout


def test_an_image_that_is_pinned_already(engine: Path, export: Callable[..., Result]) -> None:
    """It stays as the document has it, though the registry has more digests for it."""
    name = "example.com/scenes@sha256:" + "b" * 64
    (engine / "images" / "example.com").mkdir()
    digests = ["example.com/scenes@sha256:" + "a" * 64, name]
    (engine / "images" / name).write_text(image_of(7, command=["x"], RepoDigests=digests))
    done = export([{**SCENES, "image": name}])
    assert (done.exit_code, done.stderr) == (0, "")
    assert f"image: {name}\n" in done.stdout


def test_an_image_of_no_registry(engine: Path, export: Callable[..., Result]) -> None:
    """It keeps its tag, and a warning says so; that of this machine alone is told apart."""
    (engine / "images" / "localhost").mkdir()
    here = image_of(2, command=["x"], RepoDigests=["localhost/one@sha256:" + "c" * 64])
    (engine / "images" / "localhost" / "one:1").write_text(here)
    done = export([SCENES, {"name": "one:1", "image": "localhost/one:1"}])
    assert done.exit_code == 0
    assert "image: scenes\n" in done.stdout
    assert "image: localhost/one:1\n" in done.stdout
    first, second = done.stderr.splitlines()
    assert first.startswith("warning: no registry is known to have scenes, so it is not pinned")
    assert second.startswith("warning: localhost/one:1 is of this machine alone: push it")


def test_without_an_engine(engine: Path, export: Callable[..., Result]) -> None:
    """The code is the image's name, and a warning says what that costs."""
    (engine / "podman").unlink()
    done = export([SCENES])
    assert done.exit_code == 0
    assert task_texts(done.stdout)["scenes:1"]["code"] == "image scenes"
    assert "warning: scenes is not pinned" in done.stderr
    assert "what `up42-state run` has made runs again" in done.stderr


def test_an_image_that_nobody_has(export: Callable[..., Result]) -> None:
    """An engine that answers and cannot have it: a defect, as for a run."""
    done = export([{**SCENES, "image": "gone"}])
    assert done.exit_code == 5
    assert "#/0/image: the image gone is not here and cannot be pulled" in done.stderr


def test_a_document_that_is_not_valid(export: Callable[..., Result]) -> None:
    """All of its defects are listed, as by run, and nothing is written."""
    done = export([{**SCENES, "after": "nobody:1", "retries": -1}], "-o", "argo.yaml")
    assert (done.exit_code, done.stdout, os.path.exists("argo.yaml")) == (5, "", False)
    assert len(done.stderr.splitlines()) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (OPTIONS[:2], "--to argo needs --secret, --service-account"),
        ((*OPTIONS[:4], "--service-account", "A_b"), "--service-account: 'A_b' is no name of a Kubernetes"),
        (("--image", "{{x}}", *OPTIONS[2:]), "--image: '{{x}}' is no image"),
        ((*OPTIONS, "--job", "a/b"), "a/b"),
    ],
)
def test_options_that_cannot_be(
    export: Callable[..., Result], options: tuple[str, ...], message: str
) -> None:
    """Each is an error that names it."""
    done = export([SCENES], usual=options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_the_file_is_whole_or_is_not(export: Callable[..., Result], tmp_path: Path) -> None:
    """It takes the place of another one; where its directory is missing, nothing is left."""
    (tmp_path / "argo.yaml").write_text("old")
    assert export([SCENES], "-o", str(tmp_path / "argo.yaml")).exit_code == 0
    assert (tmp_path / "argo.yaml").read_text() == export([SCENES]).stdout
    assert (tmp_path / "argo.yaml").stat().st_mode & 0o777 == 0o666 & ~_umask()
    done = export([SCENES], "-o", str(tmp_path / "gone" / "argo.yaml"))
    assert (done.exit_code, "there is no directory" in done.stderr) == (3, True)
    (tmp_path / "folder").mkdir()
    assert export([SCENES], "-o", str(tmp_path / "folder")).exit_code == 2
    assert [path.name for path in tmp_path.glob(".*")] == []


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask


def test_secrets_stay_out(export: Callable[..., Result], tmp_path: Path) -> None:
    """Parameters and words that look like one are refused, wherever they stand, and are not quoted."""
    parameters = {
        "api_key": "kJ8x",
        "deep": {"list": [{"token": "t0ps"}]},
        "url": "https://me:pa55word@example.com/",
        "width": 5,
        "session": None,
    }
    document = {
        "tasks": [{**SCENES, "command": ["run", "https://me:pa55word@example.com/"]}],
        "parameters": {"scenes:1": parameters},
    }
    done = export(document)
    assert (done.exit_code, done.stdout) == (5, "")
    places = [line.strip().partition(": ")[0] for line in done.stderr.splitlines()[1:]]
    assert places == [
        "scenes:1 parameters.api_key",
        "scenes:1 parameters.deep.list[0].token",
        "scenes:1 parameters.url",
        "scenes:1 command[1]",
    ]
    assert not [text for text in ("kJ8x", "t0ps", "pa55word") if text in done.output]


def test_a_credential_of_this_process_stays_out(
    export: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the parameter is called that it was put into."""
    monkeypatch.setenv("UP42_STATE_URL", "s3://bucket/prefix")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "Zq7zzq1Zq7zzq1Zq7zzq1")
    document = {"tasks": [SCENES], "parameters": {"scenes:1": {"word": "Zq7zzq1Zq7zzq1Zq7zzq1"}}}
    done = export(document, "-o", str(tmp_path / "argo.yaml"))
    assert (done.exit_code, (tmp_path / "argo.yaml").exists()) == (2, False)
    assert "would stand readable in the document" in done.stderr


def test_the_platform_form(export: Callable[..., Result], tmp_path: Path) -> None:
    """A blocks file and parameters are taken as by run."""
    blocks = tmp_path / "blocks.json"
    blocks.write_text(json.dumps({"77aa": {"image": "scenes"}}))
    options = ["--blocks", str(blocks), "--parameters", '{"scenes:1": {"limit": 3}}']
    done = export([{"name": "scenes:1", "parentName": None, "blockId": "77aa"}], *options)
    assert done.exit_code == 0, done.stderr
    assert task_texts(done.stdout)["scenes:1"]["parameters"] == {"limit": 3}


def test_names_do_not_collide() -> None:
    """Tasks whose names differ in what a cluster does not tell apart, or that look like a step of another."""
    tasks = ["tiling:1", "tiling-1", "Tiling_1", "tiling:1-look", "workflow", "1", "not", "x" * 200, "+"]
    names = unique_names(tasks, ("", "-look", "-shards"), taken=["workflow"])
    steps = [f"{name}{suffix}" for name in names.values() for suffix in ("", "-look", "-shards")]
    assert len(set(steps)) == len(steps)
    assert names["tiling:1"] == "tiling-1"
    assert names["1"] == "t-1"
    assert names["not"] != "not"  # which Argo would take for an operator
    assert "workflow" not in names.values()


@given(st.lists(st.text(min_size=1, max_size=80), unique=True, max_size=12))
def test_names_are_names(texts: list[str]) -> None:
    """Whatever tasks are called: letters, digits and hyphens, 63 at most, a letter first, each once."""
    names = unique_names(texts, ("", "-look"))
    assert list(names) == texts
    steps = [f"{name}{suffix}" for name in names.values() for suffix in ("", "-look")]
    assert len(set(steps)) == len(steps)
    for step in steps:
        assert len(step) <= 63
        assert step == dns_name(step)


def test_json_is_not_for_a_document(engine: Path, tmp_path: Path) -> None:
    """With --json the document is the same, and no message stands beside it."""
    path = write(tmp_path, [SCENES])
    words = ["workflow", "export", str(path), "--to", "argo", *OPTIONS]
    plain, quiet = (CliRunner().invoke(root, [*words, *more]) for more in ([], ["--json"]))
    assert (quiet.stdout, quiet.stderr) == (plain.stdout, "")


def test_programs_and_functions(export: Callable[..., Result], tmp_path: Path) -> None:
    """Argo runs images alone: each other block is named, and what to do."""
    make_block(
        tmp_path / "folder", json.loads(json.loads(image_of(1))[0]["Config"]["Labels"]["up42_manifest"])
    )
    (tmp_path / "module.py").write_text("def function(collection): return collection\n")
    tasks = [
        {"name": "one:1", "block": "folder", "command": "./run"},
        {"name": "two:1", "python": "module:function", "after": "one:1"},
    ]
    done = export(tasks)
    assert done.exit_code == 5
    assert [line.split(":  ")[0].split(": Argo")[0].strip() for line in done.stderr.splitlines()[1:]] == [
        "one:1 block",
        "two:1 python",
    ]
    assert done.stderr.count("build an image of it") == 2
