"""``engine``: the steps of one task from the command line, on a directory and on LocalStack."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from cli.conftest import COMMAND

from up42_state.machine.digests import folder_digest
from up42_state.workflow.model import BlockReference, Task
from up42_state.workflow.steps.text import write_task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Call = Callable[..., Result]

COPY = "#!/bin/sh\necho width $WIDTH; echo $UP42_TASK_PARAMETERS; cp -r /tmp/input/. /tmp/output\n"


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Makes the text of a task that copies its input, and puts it into the environment."""

    def make(script: str = COPY, name: str = "tiling:1", **members: Any) -> str:
        folder = tmp_path / "block"
        folder.mkdir(exist_ok=True)
        (folder / "run").write_text(script)
        (folder / "run").chmod(0o755)
        block = BlockReference(kind="command", folder=folder, command=("./run",), environment=("TOKEN",))
        task = Task(**{"name": name, "block": block, "after": ("scenes:1",), **members})
        made = write_task(task, f"folder sha256:{folder_digest(folder)}")
        monkeypatch.setenv("UP42_STATE_TASK", made)
        return made

    monkeypatch.setenv("UP42_STATE_JOB", "3f0c")
    return make


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    return {name: tmp_path / name for name in ("in", "out", "pictures", "handover.json", "outputs")}


def test_a_whole_task(
    ask: Callable[..., Any], saved: Callable[..., None], text: Callable[..., str], places: dict[str, Path]
) -> None:
    """Look, stage in, run, stage out, look: each prints what a program needs."""
    saved("scenes:1", a=b"12345", b=b"678")
    text(parameters={"width": 5})
    seen = ask("engine", "look", "--outputs", places["outputs"])
    assert seen == {
        "task": "tiling:1",
        "status": "runs",
        "reasons": ["it was not saved yet"],
        "stage": None,
        "run": True,
        "shards": "",
        "count": 0,
        "indices": [],
    }
    assert {path.name: path.read_text() for path in places["outputs"].iterdir()} == {
        "run": "true",
        "count": "0",
        "shards": "",
    }
    handover = ("--handover", places["handover.json"])
    filled = ask("engine", "stage-in", "--input", places["in"], *handover)
    assert (filled["input"], filled["files"], filled["bytes"]) == (["3f0c/scenes:1@1"], 2, 8)
    ran = ask("engine", "block", "--input", places["in"], "--output", places["out"])
    assert ran["task"] == "tiling:1"
    commit = ask("engine", "stage-out", "--output", places["out"], *handover)
    assert (commit["stage"], commit["outcome"], commit["totals"]["files"]) == ("tiling:1", "saved", 2)
    assert ask("engine", "stage-out", "--output", places["out"], *handover)["outcome"] == "unchanged"
    seen = ask("engine", "look", "--outputs", places["outputs"])
    assert (seen["status"], seen["run"], seen["stage"]) == ("cached", False, "3f0c/tiling:1@1")
    assert (places["outputs"] / "run").read_text() == "false"
    assert ask("engine", "look", "--force")["run"] is True
    assert ask("engine", "look", "--force", "true")["run"] is True
    assert ask("engine", "look", "--force", "false")["run"] is False


def test_people_are_told(
    call: Call, saved: Callable[..., None], text: Callable[..., str], places: dict[str, Path]
) -> None:
    """Without --json a line for each step says what was done, with counts."""
    saved("scenes:1", a=b"12345", b=b"678")
    text(chunk=1)
    look = call("engine", "look")
    runs, shards = look.stdout.splitlines()
    assert runs == "tiling:1 runs: it was not saved yet"
    name = shards.removeprefix("2 of 2 shards run: ")
    assert name.endswith(":0-1")
    part = ("--shards", name, "--index", 1, "--handover", places["handover.json"])
    filled = call("engine", "stage-in", "--input", places["in"], *part)
    assert filled.stdout == ""
    assert "with shard 1 (tiling:1+" in filled.stderr
    assert "of 3f0c/scenes:1@1: 1 file, 3 B" in filled.stderr
    ran = call("engine", "block", "--input", places["in"], "--output", places["out"])
    assert "up42-state: ran tiling:1" in ran.stderr
    saved_shard = call("engine", "stage-out", "--output", places["out"], *part)
    assert "up42-state: saved 3f0c/tiling:1+" in saved_shard.stderr
    lacking = call("engine", "collect")
    assert lacking.exit_code == 3
    assert "1 of 2 shards of tiling:1 are not done: a" in lacking.stderr
    assert call("engine", "look").stdout.splitlines()[1].startswith("1 of 2 shards run: ")


def test_a_text_in_a_file(call: Call, text: Callable[..., str], tmp_path: Path) -> None:
    """--task @FILE reads the text from a file; one that is not there is named."""
    (tmp_path / "task.json").write_text(text(after=()))
    assert call("engine", "look", "--task", f"@{tmp_path}/task.json", UP42_STATE_TASK="").exit_code == 0
    result = call("engine", "look", "--task", f"@{tmp_path}/other.json")
    assert result.exit_code == 2
    assert "other.json" in result.stderr


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("look", "--task", "{}"), 2, "no task text"),
        (("look", "--task", ""), 2, "no JSON"),
        (("stage-in", "--shards", "x"), 2, "give --index as well"),
        (("stage-in", "--shards", "x", "--index", 0), 2, "names no shards"),
        (("stage-in", "--index", 0), 2, "tiling:1 runs as a whole"),
        (("stage-in", "--index", -1), 2, "--index"),
        (("stage-out", "--handover", "nowhere.json", "--output", "."), 3, "no handover nowhere.json"),
        (("stage-out", "--quicklooks", "nowhere"), 3, "no quicklook directory nowhere"),
        (("collect",), 2, "tiling:1 runs as a whole"),
        (("block", "--output", "out", "--folder", "nowhere"), 3, "no folder nowhere"),
        (("block", "--output", "out", "--input", "nowhere"), 3, "no input directory nowhere"),
        (("block",), 2, "--output"),
    ],
)
def test_what_is_wrong_is_said(
    call: Call, text: Callable[..., str], words: tuple[str, ...], status: int, said: str
) -> None:
    """Each mistake has its exit code, and a message that names it."""
    text()
    result = call("engine", *words)
    assert result.exit_code == status, result.stderr
    assert said in result.stderr


def test_no_job(call: Call, text: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps on the store need a job; the message says how to give one."""
    text()
    monkeypatch.delenv("UP42_STATE_JOB")
    result = call("engine", "look")
    assert result.exit_code == 2
    assert "no job is given" in result.stderr


def test_a_block_needs_no_store(
    call: Call, text: Callable[..., str], places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block runs with no store and no job at all; what it prints stands on stderr, without secrets."""
    script = "#!/bin/sh\necho $TOKEN $UP42_JOB_INFO; env | grep -v FLAGS >&2\n"
    script += """echo '{"type":"FeatureCollection","features":[]}' >/tmp/output/data.json\n"""
    text(script, parameters={"width": 5})
    for name in ("UP42_STATE_URL", "UP42_STATE_JOB"):
        monkeypatch.delenv(name)
    result = call("engine", "block", "--output", places["out"], TOKEN="planted-token-value")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "UP42_TASK_PARAMETERS={" in result.stderr
    assert '"taskName": "tiling:1"' in result.stderr
    assert "UP42_STATE_TASK" not in result.stderr
    assert "planted-token-value" not in result.stderr
    assert [path.name for path in places["out"].iterdir()] == ["data.json"]
    named = call("engine", "block", "--output", places["pictures"], "--job", "3f0c", TOKEN="")
    assert '"jobId": "3f0c"' in named.stderr


def test_a_block_that_fails(call: Call, text: Callable[..., str], places: dict[str, Path]) -> None:
    """It ends with 8, and what it printed last stands there though the line does not end."""
    text("#!/bin/sh\nprintf 'no tiles'\nexit 3\n")
    result = call("engine", "block", "--output", places["out"])
    assert result.exit_code == 8
    assert "no tiles\n" in result.stderr
    assert "tiling:1 failed: exit code 3" in result.stderr


def test_a_block_that_takes_too_long(call: Call, text: Callable[..., str], places: dict[str, Path]) -> None:
    """The task's timeout holds."""
    text("#!/bin/sh\nexec sleep 60\n", timeout=0.3)
    result = call("engine", "block", "--output", places["out"])
    assert result.exit_code == 8
    assert "timed out" in result.stderr


def test_a_signal_stops_the_block(
    start: Callable[..., subprocess.Popen[str]], text: Callable[..., str], places: dict[str, Path]
) -> None:
    """What the block prints is seen while it runs; SIGTERM stops it, and the exit code says so."""
    text("#!/bin/sh\necho begun\nexec sleep 60\n")
    process = start("engine", "block", "--output", places["out"])
    assert process.stderr is not None
    assert process.stderr.readline() == "begun\n"
    process.terminate()
    assert process.wait(20) == 143


def test_another_block_is_refused(
    call: Call, text: Callable[..., str], places: dict[str, Path], tmp_path: Path
) -> None:
    """A folder that has changed since the text was written does not run; a copy of the right one does."""
    text()
    other = tmp_path / "other"
    other.mkdir()
    (other / "run").write_bytes((tmp_path / "block/run").read_bytes())
    (other / "run").chmod(0o755)
    (tmp_path / "block/run").write_text("#!/bin/sh\nexit 1\n")
    result = call("engine", "block", "--output", places["out"])
    assert result.exit_code == 2
    assert "is another one (folder sha256:" in result.stderr
    places["in"].mkdir()
    words = ("--input", places["in"], "--output", places["out"], "--folder", other)
    assert call("engine", "block", *words).exit_code == 0


def test_directories_of_a_block_are_its_own(
    call: Call, text: Callable[..., str], places: dict[str, Path]
) -> None:
    """Files in the output, which would be saved as the block's, are refused."""
    text()
    places["out"].mkdir()
    (places["out"] / "left.tif").write_bytes(b"")
    result = call("engine", "block", "--output", places["out"])
    assert result.exit_code == 4
    assert "left.tif" in result.stderr


def test_an_image_is_the_engines(call: Call, places: dict[str, Path]) -> None:
    """We do not run an image: the message says who does."""
    image = write_task(
        Task(name="t:1", block=BlockReference(kind="image", image="block:1")), "image sha256:0"
    )
    result = call("engine", "block", "--task", image, "--output", places["out"])
    assert result.exit_code == 2
    assert "the block of t:1 is the image block:1" in result.stderr


def test_steps_on_a_bucket(
    localstack_url: str, text: Callable[..., str], output: Callable[..., Path], tmp_path: Path
) -> None:
    """A shard on S3, each step a process with nothing but its environment; then all is cached."""
    environment = {
        "PATH": os.environ["PATH"],
        "UP42_STATE_URL": "s3://up42-state/engine",
        "UP42_STATE_JOB": f"job-{os.getpid()}",
        "AWS_ENDPOINT_URL": localstack_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "UP42_STATE_TASK": text(chunk=1),
    }

    def ask(*words: object) -> Any:
        done = subprocess.run(
            [*COMMAND, *map(str, words), "--json"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    ask("save", output("scenes", a=b"1"), "--stage", "scenes:1")
    seen = ask("engine", "look")
    assert seen["count"] == 1
    part = ("--shards", seen["shards"], "--index", 0, "--handover", tmp_path / "handover.json")
    ask("engine", "stage-in", "--input", tmp_path / "in", *part)
    ask("engine", "block", "--input", tmp_path / "in", "--output", tmp_path / "out")
    ask("engine", "stage-out", "--output", tmp_path / "out", *part)
    assert ask("engine", "collect")["totals"]["features"] == 1
    assert ask("engine", "look")["status"] == "cached"


def test_a_step_that_is_killed_is_called_again(
    ask: Callable[..., Any],
    call: Call,
    saved: Callable[..., None],
    text: Callable[..., str],
    places: dict[str, Path],
    output: Callable[..., Path],
) -> None:
    """At whatever moment: the input is filled, and two that save one output at once make one revision."""
    saved("scenes:1", **{f"s{n}": bytes(100_000) for n in range(20)})
    text()
    made = output("tiles", **{f"t{n}": bytes([n]) * 20_000 for n in range(100)})
    handover = ("--handover", places["handover.json"])
    stage_in = ("engine", "stage-in", "--input", places["in"], *handover)
    stage_out = ("engine", "stage-out", "--output", made, *handover)

    def begin(words: tuple[object, ...]) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*COMMAND, *map(str, words)], stdout=subprocess.DEVNULL)

    def kill(words: tuple[object, ...]) -> None:
        for seconds in (0.15, 0.25, 0.35):
            process = begin(words)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
            process.kill()
            process.wait()

    kill(stage_in)
    assert ask(*stage_in)["files"] == 20
    assert len(list(places["in"].iterdir())) == 21
    kill(stage_out)
    both = [begin(stage_out), begin(stage_out)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (ask(*stage_out)["revision"], ask(*stage_out)["outcome"]) == (1, "unchanged")
    assert call("verify", "--job", "3f0c").exit_code == 0


def test_all_shards_are_done_and_not_collected(
    ask: Callable[..., Any], saved: Callable[..., None], text: Callable[..., str], places: dict[str, Path]
) -> None:
    """The task is to run, with no shard: collecting them is what is left."""
    saved("scenes:1", a=b"1")
    text(chunk=1)
    part = ("--index", 0, "--handover", places["handover.json"])
    ask("engine", "stage-in", "--input", places["in"], *part)
    ask("engine", "stage-out", "--output", places["in"], *part)
    seen = ask("engine", "look", "--outputs", places["outputs"])
    assert (seen["run"], seen["count"], seen["indices"]) == (True, 0, [])
    assert (places["outputs"] / "count").read_text() == "0"
    assert (places["outputs"] / "shards").read_text() == seen["shards"]
    assert ask("engine", "collect")["outcome"] == "saved"
