"""The records of runs: what is stored, in how many requests, and what is read back."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from doubles.faulty import FaultyBucket
from doubles.planted import PLANTED

from up42_state.buckets.memory import MemoryBucket
from up42_state.errors import AccessDeniedError, NotFoundError
from up42_state.stages.format.names import log_key, new_run, record_key, run_key
from up42_state.stages.store import Store
from up42_state.stages.write.writers import Writer
from up42_state.workflow import runs as module
from up42_state.workflow.events import Event
from up42_state.workflow.records import AttemptRecord, DamagedRecord, RunRecord
from up42_state.workflow.runs import Runs

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
JOB = "3f0c"


@pytest.fixture
def bucket() -> FaultyBucket:
    """A store in memory that counts its operations."""
    return FaultyBucket(MemoryBucket())


@pytest.fixture
def runs(bucket: FaultyBucket) -> Runs:
    """The runs of a job in an empty store."""
    return Runs(Store(bucket=bucket), JOB)


def event(kind: Any, task: str = "tiling:1", **more: Any) -> Event:
    return Event(kind=kind, time=NOW, run="r", task=task, **more)


def done(task: str = "tiling:1", **more: Any) -> AttemptRecord:
    return AttemptRecord(
        **{"task": task, "attempt": 1, "outcome": "done", "reason": "done", "start": NOW} | more
    )


def running(runs: Runs) -> RunRecord:
    """The newest run's record."""
    found = runs.latest()
    assert isinstance(found, RunRecord)
    return found


def test_a_run_is_read_back(runs: Runs) -> None:
    """What the runner said of the run, its tasks and its attempts is what a reader gets."""
    with runs.begin("flooding", warnings=["no manifest"]) as run:
        run.update(event("waiting", reason="parameter tile_width was 512, is 768"))
        run.update(event("started", attempt=1))
        record = done(
            why="parameter tile_width was 512, is 768",
            exit_code=0,
            end=NOW + timedelta(seconds=2),
            seconds={"restore": 0.5, "run": 1.5},
            peak_memory=1 << 20,
            resources={"cpus": 1.5, "memory": 1 << 30},
            code="image sha256:00",
            stage="3f0c/tiling:1@2",
            warnings=("a property that looks like a path",),
        )
        run.attempt(record, b"tile 1\ntile 2\n")
        run.update(event("done", stage="3f0c/tiling:1@2", features=3))
    assert runs.list() == [run.run]
    found = running(runs)
    assert (found.workflow, found.outcome, found.warnings) == ("flooding", "done", ("no manifest",))
    assert found.start is not None
    assert found.end is not None
    (task,) = found.tasks
    assert (task.task, task.status, task.attempts, task.features) == ("tiling:1", "done", 1, 3)
    assert (task.why, task.stage) == ("parameter tile_width was 512, is 768", "3f0c/tiling:1@2")
    (attempt,) = runs.attempts(run.run)
    assert isinstance(attempt, AttemptRecord)
    assert msgspec.structs.replace(attempt, format="", job="", run="", host="", log_bytes=0) == record
    assert (attempt.job, attempt.run, attempt.log_bytes) == (JOB, run.run, 14)
    assert runs.log(run.run, "tiling:1", 1) == b"tile 1\ntile 2\n"


def test_an_attempt_that_printed_nothing_has_no_log(runs: Runs, bucket: FaultyBucket) -> None:
    """Such an attempt costs one request, and reads back as an empty log."""
    with runs.begin("flooding") as run:
        before = bucket.operations.count("put")
        run.attempt(done())
        assert bucket.operations.count("put") == before + 1
    assert runs.log(run.run, "tiling:1", 1) == b""


def test_a_thousand_shards_make_one_record_and_one_log(runs: Runs, bucket: FaultyBucket) -> None:
    """Shards that end well cost no request of their own; one that fails leaves a record and a log."""
    with runs.begin("flooding") as run:
        before = bucket.operations.count("put")
        for number in range(1000):
            name = f"tiling:1+{number:08x}"
            if number == 7:
                run.attempt(done(shard=name, outcome="failed", text="exit code 3"), b"no memory\n")
            run.attempt(done(shard=name, attempt=2 if number == 7 else 1), b"tile %d" % number)
        assert bucket.operations.count("put") == before + 2
        run.attempt(done(), b"merged\n")
        assert bucket.operations.count("put") == before + 4
    failed, task = sorted(runs.attempts(run.run), key=lambda item: getattr(item, "outcome", ""), reverse=True)
    assert isinstance(failed, AttemptRecord)
    assert isinstance(task, AttemptRecord)
    assert (failed.shard, failed.text) == ("tiling:1+00000007", "exit code 3")
    assert len(task.shards) == 1000
    assert [shard.attempts for shard in task.shards if shard.attempts != 1] == [2]
    log = runs.log(run.run, "tiling:1", 1)
    assert log.startswith(b"== tiling:1+00000000, attempt 1 ==\ntile 0\n== ")
    assert b"== tiling:1+00000007, attempt 1 ==\nno memory\n== tiling:1+00000007, attempt 2 ==\ntile 7" in log
    assert log.endswith(b"tile 999\nmerged\n")
    assert runs.log(run.run, failed.shard, 1) == b"no memory\n"


def test_shards_of_a_task_that_came_to_no_end_are_kept(runs: Runs) -> None:
    """A run that is stopped in the middle of a task's shards leaves a record of those that were done."""
    with runs.begin("flooding") as run:
        run.attempt(done(shard="tiling:1+0a"), b"tile\n")
        run.end("stopped", "ended by SIGINT")
    (task,) = runs.attempts(run.run)
    assert isinstance(task, AttemptRecord)
    assert (task.outcome, [shard.shard for shard in task.shards]) == ("stopped", ["tiling:1+0a"])
    assert running(runs).text == "ended by SIGINT"


def test_shards_are_stored_while_their_task_runs(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the process dies, what its shards printed is there; the record of a task that ended replaces it."""
    monkeypatch.setattr(module, "_EVERY", 0.02)
    monkeypatch.setattr(module, "HEARTBEAT", timedelta(seconds=0.05))
    with runs.begin("flooding") as run:
        run.attempt(done(shard="tiling:1+0a"), b"tile\n")
        while not runs.attempts(run.run):
            time.sleep(0.01)
        running_task = runs.attempt(run.run, "tiling:1", 1)
        assert isinstance(running_task, AttemptRecord)
        assert (running_task.outcome, len(running_task.shards)) == ("running", 1)
        assert runs.log(run.run, "tiling:1", 1) == b"== tiling:1+0a, attempt 1 ==\ntile\n"
        run.attempt(done(shard="tiling:1+0b"), b"tile\n")
        run.attempt(done())
        time.sleep(0.2)
    task = runs.attempt(run.run, "tiling:1", 1)
    assert isinstance(task, AttemptRecord)
    assert (task.outcome, len(task.shards)) == ("done", 2)


def test_a_shard_that_failed_is_told_in_its_task(runs: Runs) -> None:
    """With some shards failed, the record of the task lists which, and why."""
    with runs.begin("flooding") as run:
        run.attempt(done(shard="t+0a", task="t", outcome="failed", text="killed by SIGKILL"))
        run.attempt(done(task="t", outcome="failed", text="1 of 1 shards failed"))
    task = runs.attempt(run.run, "t", 1)
    assert isinstance(task, AttemptRecord)
    assert [(shard.shard, shard.outcome, shard.text) for shard in task.shards] == [
        ("t+0a", "failed", "killed by SIGKILL")
    ]


def test_changes_are_gathered(runs: Runs, bucket: FaultyBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many events make one record of the run, soon; while nothing changes, none is written."""
    monkeypatch.setattr(module, "_EVERY", 0.05)
    written = threading.Event()
    with runs.begin("flooding") as run:
        bucket.operations.on_operation = lambda _name, _key: written.set()
        for _ in range(100):
            run.update(event("started", attempt=1))
        assert written.wait(10)
        threading.Event().wait(0.3)
        assert bucket.operations.count("put") <= 3
        assert running(runs).tasks[0].status == "running"


def test_a_run_that_is_silent_is_dead(runs: Runs, bucket: FaultyBucket) -> None:
    """A run goes on while its process does; elsewhere it is dead when it has said nothing for two minutes."""
    with runs.begin("flooding") as run:
        here = running(runs)
        assert here.status() == "running"
        elsewhere = msgspec.structs.replace(here, writer=Writer(), heartbeat=NOW)
        assert elsewhere.status(NOW + timedelta(seconds=119)) == "running"
        assert elsewhere.status(NOW + timedelta(seconds=121)) == "dead"
        assert elsewhere.status(NOW - timedelta(days=1)) == "dead"  # or it would be alive for a day
        killed = msgspec.structs.replace(here.writer, pid=2**22 + 1)
        assert msgspec.structs.replace(here, writer=killed).status() == "dead"
    assert here.run == run.run
    assert here.status() == "dead"  # its process is there and runs it no more
    assert running(runs).status() == "done"


@pytest.mark.parametrize(
    ("error", "outcome"), [(ValueError("the disk is full"), "failed"), (KeyboardInterrupt("^C"), "stopped")]
)
def test_an_error_ends_a_run(runs: Runs, error: BaseException, outcome: str) -> None:
    """A run that an error leaves has failed; one that is interrupted was stopped."""
    with pytest.raises(type(error)), runs.begin("flooding"):
        raise error
    assert running(runs).outcome == outcome
    assert running(runs).text == ("the disk is full" if outcome == "failed" else "stopped")


def test_runs_sort_by_time() -> None:
    """Ids of runs that began one after the other are in order, to the millisecond."""
    ids = [new_run()[:-9] for _ in range(1000)]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"format":"2.0"}',
        b'{"format":"1.0"}',
        b'{"format":"1.0","task":"other"}',
        b'{"format":"1.0","task":"a","start":"2026-05-04T03:02:01"}',
        b'{"format":"1.0","task":"a","exit_code":"0"}',
        b'{"format":"1.0","x":' + b"[" * 100_000,
    ],
)
def test_a_damaged_record_hides_no_other(runs: Runs, bucket: FaultyBucket, damage: bytes) -> None:
    """What cannot be read is told with its key and why; the other attempts and runs are read."""
    with runs.begin("flooding") as run:
        run.attempt(done("a"))
        run.attempt(done("b"))
    key = record_key(JOB, run.run, "a", 1)
    bucket.put(key, damage)
    sound, broken = runs.attempts(run.run)
    assert isinstance(sound, AttemptRecord)
    assert sound.task == "b"
    assert isinstance(broken, DamagedRecord)
    assert broken.key == key
    assert broken.to_dict()["problem"].startswith(key)
    bucket.put(run_key(JOB, run.run), damage)
    assert isinstance(runs.latest(), DamagedRecord)


def test_members_of_a_later_release_are_passed_over(runs: Runs, bucket: FaultyBucket) -> None:
    """A record of a later minor version is read."""
    with runs.begin("flooding") as run:
        pass
    key = run_key(JOB, run.run)
    later = json.loads(bucket.get(key)) | {"format": "1.7", "weather": {"rain": True}, "outcome": "paused"}
    bucket.put(key, json.dumps(later).encode())
    found = running(runs)
    assert (found.workflow, found.status()) == ("flooding", "paused")


def test_no_secret_is_stored(runs: Runs, bucket: FaultyBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the record of a run nor that of an attempt nor a log holds a credential."""
    secret = f"{PLANTED}-0123456789"
    monkeypatch.setenv("BLOCK_PASSWORD", secret)
    says = f"cannot open https://user:{secret}@host/x?sig={secret}"
    with runs.begin(says, warnings=[says]) as run:
        run.update(event("failed", reason=says))
        run.attempt(
            done(outcome="failed", text=says, why=says, warnings=(says,)), f"{says}\n\xff".encode("latin1")
        )
        run.attempt(done("b", shard="b+1", outcome="failed", text=says), says.encode())
        run.end("failed", says)
    stored = [bucket.get(info.key) for info in bucket.list("")]
    assert len(stored) == 7
    assert not [data for data in stored if secret.encode() in data]
    assert sum(b"cannot open https://" in data for data in stored) == 7
    assert runs.log(run.run, "tiling:1", 1).endswith(b"\n\xff")


def test_a_store_that_takes_no_records_is_a_warning(runs: Runs, bucket: FaultyBucket) -> None:
    """The run goes on, and says once, not for each record, that none could be stored."""

    def refuse(name: str, _key: str) -> None:
        if name == "put":
            raise AccessDeniedError("the store is read-only")

    bucket.operations.on_operation = refuse
    said: list[str] = []
    with runs.begin("flooding", warn=said.append) as run:
        run.attempt(done(), b"tile\n")
        run.attempt(done("b"), b"tile\n")
    assert said == ["no record of the run could be stored: the store is read-only"]
    assert runs.latest() is None


def test_a_run_or_attempt_that_is_not_there(runs: Runs) -> None:
    """The error names those that are there."""
    with pytest.raises(NotFoundError, match="has no run x") as nothing:
        runs.find("x")
    assert nothing.value.advice == "no workflow was run in it"
    with runs.begin("flooding") as run:
        pass
    with pytest.raises(NotFoundError, match="has no run 2026") as other:
        runs.find("20260504T030201.000Z-00000000")
    assert run.run in other.value.advice
    with pytest.raises(NotFoundError, match="no attempt 1 at tiling:1"):
        runs.attempt(run.run, "tiling:1", 1)


def test_names_of_tasks_that_look_like_records(runs: Runs) -> None:
    """A task may be called like another task's record."""
    with runs.begin("flooding") as run:
        for task in ("a", "a.1", "a.1.json", "run"):
            run.attempt(done(task), task.encode())
    found = {record.name for record in runs.attempts(run.run) if isinstance(record, AttemptRecord)}
    assert found == {"a", "a.1", "a.1.json", "run"}
    assert [runs.log(run.run, task, 1) for task in sorted(found)] == [name.encode() for name in sorted(found)]
    assert log_key(JOB, run.run, "a.1", 1) != log_key(JOB, run.run, "a", 1)
