"""What a run leaves in the store besides stages: why tasks ran, how they ended, what they printed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from doubles.blocks import Bodies, read, task, workflow, write

from up42_state.state import Job, State
from up42_state.workflow import attempt as attempts
from up42_state.workflow.blocks.work import Ending, Work
from up42_state.workflow.model import BlockReference, Resources, Task
from up42_state.workflow.records import AttemptRecord, RunRecord, redacted_json
from up42_state.workflow.runner import Options, run
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "pl4nted-s3cret-value"
FAILED = Ending(reason="exit code", text="ended with exit code 3", exit_code=3, peak_memory=12345)


def scenes(work: Work) -> None:
    work.log.write(b"two scenes\n")
    write(work, [{"type": "Feature", "id": n, "geometry": None, "properties": {}} for n in ("a", "b")])


def each(work: Work) -> Ending | None:
    (feature,) = read(work)["features"]
    work.log.write(f"at work on {feature['id']}\n".encode())
    if feature["id"] == "b":
        return FAILED
    write(work, [feature])
    return None


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return State(f"file://{tmp_path}/store").job("job")


@pytest.fixture
def runs(job: Job) -> Runs:
    return Runs(job.state.store, job.key)


def records(runs: Runs, run_id: str) -> list[AttemptRecord]:
    found = runs.attempts(run_id)
    assert all(isinstance(record, AttemptRecord) for record in found)
    return [record for record in found if isinstance(record, AttemptRecord)]


def test_an_attempt_leaves_its_record_and_its_log(job: Job, runs: Runs) -> None:
    """Why it ran, how it ended, what it made of what, and what it printed."""
    flow = workflow(task("scenes:1", "scenes", timeout=60.0, resources=Resources(cpus=1, memory=2**30)))
    result = run(flow, job, blocks=Bodies(scenes=scenes))
    (record,) = records(runs, result.run)
    commit = job.stage("scenes:1").latest()
    assert (record.task, record.attempt, record.outcome, record.reason) == ("scenes:1", 1, "done", "done")
    assert (record.why, record.text, record.exit_code) == ("it was not saved yet", "", 0)
    assert (record.code, record.block, record.timeout) == ("scenes 1", "command", 60.0)
    assert record.resources == {"cpus": 1.0, "memory": 2**30, "gpus": 0}
    assert (record.stage, record.features, record.fingerprint) == (commit.name, 2, commit.fingerprint)
    assert record.seconds.keys() == {"restore", "run", "save"}
    assert record.start is not None
    assert record.end is not None
    assert record.start <= record.end
    assert runs.log(result.run, "scenes:1", 1) == b"two scenes\n"


def test_every_attempt_leaves_one(job: Job, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failed ones, too, each with its number."""
    monkeypatch.setattr(attempts, "_LONGEST_PAUSE", 0.0)
    flow = workflow(task("bad:1", "bad", retries=1))
    result = run(flow, job, blocks=Bodies(bad=lambda _work: FAILED))
    found = records(runs, result.run)
    assert [(r.attempt, r.outcome, r.text, r.exit_code, r.peak_memory) for r in found] == [
        (1, "failed", "ended with exit code 3", 3, 12345),
        (2, "failed", "ended with exit code 3", 3, 12345),
    ]


def test_the_run_says_how_its_tasks_stand(job: Job, runs: Runs) -> None:
    """One record for the run: what was cached, what ran and why, what failed and why."""
    flow = workflow(task("scenes:1", "scenes"), task("bad:1", "bad", "scenes:1"), task("c:1", "bad", "bad:1"))
    blocks = Bodies(scenes=scenes, bad=lambda _work: FAILED)
    run(workflow(flow.tasks[0]), job, blocks=blocks)
    result = run(flow, job, blocks=blocks)
    found = runs.latest()
    assert isinstance(found, RunRecord)
    assert (found.run, found.workflow, found.status()) == (result.run, "test", "failed")
    assert [(t.task, t.status, t.text) for t in found.tasks] == [
        ("scenes:1", "cached", ""),
        ("bad:1", "failed", "ended with exit code 3"),
        ("c:1", "skipped", "bad:1 failed"),
    ]
    assert len(runs.list()) == 2
    assert [record.task for record in records(runs, result.run)] == ["bad:1"]


def test_shards_are_in_the_record_of_their_task(job: Job, runs: Runs) -> None:
    """Only a failed shard has a record and a log of its own; the task's record says what it lacks."""
    flow = workflow(task("scenes:1", "scenes"), task("each:1", "each", "scenes:1", chunk=1))
    result = run(flow, job, Options(keep_going=True, cpus=1), blocks=Bodies(scenes=scenes, each=each))
    _, shard, whole = sorted(
        records(runs, result.run), key=lambda record: (record.task != "scenes:1", not record.shard)
    )
    assert (shard.task, shard.outcome, shard.exit_code) == ("each:1", "failed", 3)
    assert runs.log(result.run, shard.shard, 1) == b"at work on b\n"
    assert (whole.task, whole.shard, whole.outcome, whole.missing) == ("each:1", "", "partial", ("b",))
    assert sorted((s.outcome, s.text) for s in whole.shards) == [
        ("done", ""),
        ("failed", "ended with exit code 3"),
    ]
    assert b"at work on a" in runs.log(result.run, "each:1", 1)


def test_no_secret_is_kept(job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable that a block was given and printed, and a secret parameter, are nowhere in the store."""
    monkeypatch.setenv("PROVIDER_LOGIN", SECRET)

    def leak(work: Work) -> Ending:
        assert work.secrets["PROVIDER_LOGIN"] == SECRET
        work.log.write(f"login with {SECRET}\n".encode())
        return Ending(reason="exit code", text=f"no login with {SECRET}", exit_code=1)

    reference = BlockReference(kind="command", command=("leak",), environment=("PROVIDER_LOGIN",))
    flow = workflow(Task(name="a:1", block=reference, parameters={"api_key": SECRET}))
    told: list[Any] = []
    result = run(flow, job, blocks=Bodies(leak=leak), tell=told.append)
    assert result.failed
    kept = {path: path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()}
    assert len(kept) >= 3
    assert [path for path, data in kept.items() if SECRET.encode() in data] == []
    assert "login with" in str(kept)
    assert json.dumps(result.to_dict())


QUOTING = [
    "ValueError: no login with {'note': 'x', 'api_key': 'SECRET'}",
    'ValueError: no login with {"api_key": "SECRET"}',
    "ValueError: 'url': 'https://user:SECRET@host/'",
]


@pytest.mark.parametrize("text", QUOTING)
def test_an_exception_that_quotes_a_secret(job: Job, tmp_path: Path, text: str) -> None:
    """A secret that has only its form, and stands within quotes, is in no record, event or result."""

    def quote(work: Work) -> Ending:
        work.log.write(f"{text.replace('SECRET', SECRET)}\n".encode())
        return Ending(reason="exit code", text=text.replace("SECRET", SECRET), exit_code=1)

    told: list[Any] = []
    result = run(workflow(task("a:1", "quote")), job, blocks=Bodies(quote=quote), tell=told.append)
    kept = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert len(kept) >= 3
    assert [path for path in kept if SECRET in path.read_text()] == []
    assert SECRET not in repr(told)
    assert SECRET not in json.dumps(result.to_dict())
    assert "ValueError" in json.dumps(result.to_dict())


@pytest.mark.parametrize("text", QUOTING)
def test_records_are_freed_of_what_stands_within_quotes(text: str) -> None:
    """Quotes within quotes, as JSON escapes them, hide nothing, and the rest of the texts stays."""
    data = redacted_json({"text": text.replace("SECRET", SECRET), "tasks": [{"text": 'it\'s "fine"'}]})
    assert SECRET not in data.decode()
    assert json.loads(data)["tasks"] == [{"text": 'it\'s "fine"'}]


def test_a_secret_parameter_that_a_block_prints(job: Job, tmp_path: Path) -> None:
    """What a commit keeps the digest of is taken out of the log, wherever the block prints it."""
    given = {"api_key": SECRET, "deep": [{"url": "https://user:pl4nted-pass@host/"}]}

    def leak(work: Work) -> None:
        work.log.write(f"login with {SECRET} or pl4nted-pass\n".encode())
        scenes(work)

    run(workflow(task("a:1", "leak", parameters=given)), job, blocks=Bodies(leak=leak))
    (log,) = (tmp_path / "store").rglob("*.log")
    assert log.read_text() == "login with … or …\ntwo scenes\n"
