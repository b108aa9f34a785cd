"""What a worker does with a request, in this process: refusals, and what a request says."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import up42_state
from up42_state.errors import EngineError, SettingsError, StageConflictError
from up42_state.state import State
from up42_state.workflow.blocks.opening import Blocks
from up42_state.workflow.executors import worker
from up42_state.workflow.executors.differences import Facts, check_same
from up42_state.workflow.executors.messages import Place, Request, Versions, versions
from up42_state.workflow.planner import Planner
from up42_state.workflow.shards.inputs import StoredInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from doubles.spread import Spread

DIFFERS = """
import os
def make(_collection):
    return {"type": "FeatureCollection", "features": [
        {"type": "Feature", "id": os.urandom(4).hex(), "geometry": None, "properties": {}}]}
"""


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    worker.forget("run")


def request_for(spread: Spread, name: str, **more: Any) -> Request:
    task = next(each for each in spread.flow.tasks if each.name == name)
    with Blocks() as blocks:
        given = {
            "run": "run",
            "place": Place.of(spread.job()),
            "task": task,
            "stage": name,
            "why": "it was not saved yet",
            "seen": 0,
            "inputs": (),
            "code": blocks.of(task).code,
            "versions": versions(),
        }
    return Request(**given | more)


def shard_request(spread: Spread, number: int = 0, **more: Any) -> Request:
    """The request for a shard, as a client that has cut the input makes it."""
    task = spread.flow.tasks[1]
    with Blocks() as blocks:
        stored = StoredInput.read(Planner(spread.job(), blocks).parents(task))
    shard = stored.split(task.name, 1)[number]
    inputs = tuple(commit.attempt for commit in stored.commits)
    return request_for(spread, task.name, **{"stage": shard.stage, "inputs": inputs} | more)


def test_a_unit_that_runs_twice_makes_one_revision(spread: Spread) -> None:
    """A worker that died after its commit, and before its answer, has another one do the same once more."""
    (spread.folder / "spread.py").write_text(DIFFERS)
    asked = replace(request_for(spread, "scenes:1"), task=replace(spread.flow.tasks[0], parameters={}))
    first, second = worker.perform(asked), worker.perform(asked)
    assert (first.status, second.status) == ("done", "done")
    assert first.last is not None
    assert second.last is not None
    assert first.last["saved"].commit == second.last["saved"].commit
    assert second.last["saved"].outcome == "kept"
    assert len(list(spread.job().stage("scenes:1").history())) == 1


def test_a_process_cuts_an_input_once(spread: Spread, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a task's shards the first reads ``data.json``, the others take what it has cut."""
    worker.perform(request_for(spread, "scenes:1"))
    cuts = []
    split = StoredInput.split
    monkeypatch.setattr(StoredInput, "split", lambda *given: cuts.append(given[1]) or split(*given))
    asked = [shard_request(spread, number) for number in range(3)]
    cuts.clear()
    assert [worker.perform(each).status for each in asked] == ["done"] * 3
    assert cuts == ["tiling:1"]


def test_an_input_that_has_changed_since_is_refused(spread: Spread) -> None:
    """The client has cut another revision: its shards are not this one's."""
    worker.perform(request_for(spread, "scenes:1"))
    with pytest.raises(StageConflictError, match="has a newer revision than the one that the run has cut"):
        worker.perform(shard_request(spread, inputs=("another",)))


def test_another_block_is_refused(spread: Spread) -> None:
    """A worker that joined later may have another block; what it would make is not what is asked for."""
    with pytest.raises(EngineError, match=r"spread:make sha256.* and image sha256:1 where"):
        worker.perform(request_for(spread, "scenes:1", code="image sha256:1"))


def test_other_versions_are_refused(spread: Spread) -> None:
    """A worker that joined later may have another release."""
    with pytest.raises(EngineError, match=r"the client up42_state 9\.9 and Python 3\.1"):
        worker.perform(request_for(spread, "scenes:1", versions=Versions(up42_state="9.9", python="3.1")))


def test_a_worker_that_is_sent_elsewhere_refuses(
    spread: Spread, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A URL with credentials does not travel; a worker whose own URL is another one must not write there."""
    state = State("s3://key:word@bucket/prefix")
    monkeypatch.setenv("UP42_STATE_URL", f"file://{tmp_path}/other")
    with pytest.raises(
        SettingsError, match=r"the worker's store is file://.*and the client's is s3://bucket"
    ):
        worker.perform(request_for(spread, "scenes:1", place=Place.of(state.job("job"))))


def test_a_request_holds_no_secret(spread: Spread, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither credentials nor features are among its bytes, and parameters are not in its text."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY")
    worker.perform(request_for(spread, "scenes:1"))
    asked = replace(
        shard_request(spread),
        place=Place.of(State("s3://bucket/prefix").job("job")),
        task=replace(spread.flow.tasks[1], parameters={"token": "s3cr3t-t0ken"}),
    )
    data = pickle.dumps(asked)
    assert b"AKIA" not in data
    assert b"wJalr" not in data
    assert b"FeatureCollection" not in data
    assert b"scene_0000" not in data
    assert "s3cr3t" not in repr(asked)
    assert len(data) < 4096


def test_a_run_that_was_stopped_begins_nothing(spread: Spread) -> None:
    """A unit that comes to a worker after the stop ends at once."""
    worker.stop("stopped")
    reply = worker.perform(request_for(spread, "scenes:1", run="stopped"))
    assert (reply.status, reply.records) == ("stopped", [])


def test_what_a_worker_keeps_goes_with_the_run(spread: Spread, tmp_path: Path) -> None:
    """The directories of a run are removed when it is forgotten, or when another one comes."""
    scratch = tmp_path / "scratch"
    worker.perform(request_for(spread, "scenes:1", scratch=str(scratch)))
    (first,) = scratch.glob("run-*")
    worker.perform(request_for(spread, "scenes:1", scratch=str(scratch), run="next", seen=1))
    (second,) = scratch.glob("run-*")
    assert first != second
    worker.forget("next")
    assert list(scratch.iterdir()) == []


def facts(worker_name: str, version: str = "", python: str = "", **codes: str) -> Facts:
    own = versions()
    return Facts(
        worker=worker_name,
        up42_state=version or own.up42_state,
        python=python or own.python,
        codes={name.replace("_", ":"): code for name, code in codes.items()},
    )


def test_a_table_shows_who_has_what() -> None:
    """Only workers that differ are rows, and only blocks that differ somewhere are columns."""
    digest = "folder sha256:" + "0123456789abcdef" * 4
    codes = {"a:1": digest, "b:1": "same"}
    found = [
        facts("tcp://a", a_1=digest, b_1="same"),
        facts("tcp://b", a_1=digest.replace("0123", "9999"), b_1="same"),
        facts("tcp://c", python="3.99", a_1=f"{worker.CANNOT}/blocks/a is not there", b_1="same"),
    ]
    with pytest.raises(EngineError) as caught:
        check_same(found, codes)
    own = versions()
    assert str(caught.value).partition(" – ")[0].splitlines() == [
        "2 workers are not what this process is (1 more is):",
        "  worker        up42_state  Python  a:1",
        f"  this process  {own.up42_state:10}  {own.python:6}  folder sha256:0123456789ab…",
        f"  tcp://b       {own.up42_state:10}  {own.python:6}  folder sha256:9999456789ab…",
        f"  tcp://c       {own.up42_state:10}  3.99    cannot be opened: /blocks/a is not there",
    ]


def test_a_long_table_is_cut() -> None:
    """Of a thousand workers the first are shown, and how many more there are."""
    with pytest.raises(EngineError, match="and 30 more"):
        check_same([facts(f"w{number}", version="0.0.1") for number in range(50)], {})


def test_equal_workers_pass() -> None:
    """Nothing is said where nothing differs."""
    check_same([facts("a", x_1="1"), facts("b", x_1="1")], {"x:1": "1"})


def test_a_block_that_is_not_there_is_told(spread: Spread) -> None:
    """A worker without the block says so, and goes on with the others."""
    found = worker.codes(
        Place.of(spread.job()),
        [
            replace(spread.flow.tasks[0], block=replace(spread.flow.tasks[0].block, function="nowhere:make")),
            spread.flow.tasks[1],
        ],
    )
    assert found["scenes:1"].startswith("cannot be opened: ")
    assert found["tiling:1"].startswith("function spread:tile")


def test_versions_are_this_process_s() -> None:
    """The release and Python's minor version."""
    assert versions().up42_state == up42_state.__version__
    assert versions().python.count(".") == 1
    assert Facts.here({}).worker == f"{os.uname().nodename} (process {os.getpid()})"


def test_a_sweep_reaches_the_blocks_that_are_open(spread: Spread, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker sweeps as it begins with a run, and when it is asked to, as another one died."""
    sweeps = []
    monkeypatch.setattr(Blocks, "sweep", lambda blocks: sweeps.append(blocks))
    worker.perform(request_for(spread, "scenes:1"))
    assert len(sweeps) == 1
    worker.sweep()
    assert len(sweeps) == 2
    worker.forget("run")
    worker.sweep()
    assert len(sweeps) == 2
