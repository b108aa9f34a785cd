"""``log``, and what ``jobs`` and ``stages`` tell of runs."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from doubles.faulty import FaultyBucket

from up42_state.stages.store import Store
from up42_state.state import State
from up42_state.workflow.events import Event
from up42_state.workflow.records import AttemptRecord
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Ask = Callable[..., Any]
    Call = Callable[..., Result]
    Saved = Callable[..., None]

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
HOSTILE = "\x1b[2Jx"


@pytest.fixture
def runs(store: Path) -> Runs:
    """The runs of the job ``3f0c``."""
    return Runs(State(store.as_uri()).store, "3f0c")


def event(kind: Any, task: str, **more: Any) -> Event:
    return Event(kind=kind, time=NOW, run="r", task=task, **more)


def failed_run(runs: Runs) -> str:
    """Record a run in which a task is cached, one fails twice, and one is skipped."""
    with runs.begin("flooding") as run:
        run.update(event("cached", "scenes", reason="nothing changed", stage="3f0c/scenes@1"))
        run.update(event("started", "tiles", attempt=1, reason="parameter tile_width was 512, is 768"))
        for number in (1, 2):
            run.attempt(attempt("tiles", number), b"line\nends with %d\n" % number)
        run.update(event("failed", "tiles", attempt=2, reason="killed by SIGKILL", exit_code=137))
        run.update(event("skipped", "report", reason="tiles failed"))
        run.end("failed", "1 task failed")
    return run.run


def attempt(task: str, number: int = 1, **more: Any) -> AttemptRecord:
    members = {
        "task": task,
        "attempt": number,
        "outcome": "failed",
        "text": "killed by SIGKILL",
        "why": "parameter tile_width was 512, is 768",
        "exit_code": 137,
        "start": NOW + timedelta(seconds=number),
        "end": NOW + timedelta(seconds=number + 12),
        "peak_memory": 1 << 30,
    }
    return AttemptRecord(**members | more)


def test_log_of_a_job_shows_its_newest_run(call: Call, runs: Runs) -> None:
    """The run, its tasks with why each ran and how it ended, and every attempt are shown."""
    earlier = failed_run(runs)
    run = failed_run(runs)
    result = call("log", "3f0c")
    assert result.exit_code == 0
    head, tasks, attempts = result.stdout.split("\n\n")
    told = dict(line.split(maxsplit=1) for line in head.splitlines())
    assert (told["run"], told["workflow"], told["status"]) == (run, "flooding", "failed")
    assert (told["reason"], told["earlier"]) == ("1 task failed", f"runs  {earlier}")
    rows = [line.split(maxsplit=2) for line in tasks.splitlines()]
    assert [row[:2] for row in rows[1:]] == [["scenes", "cached"], ["tiles", "failed"], ["report", "skipped"]]
    assert rows[2][2].endswith("killed by SIGKILL")
    assert rows[3][2] == "tiles failed"
    assert [line.split()[:5] for line in attempts.splitlines()[1:]] == [
        ["tiles", "1", "failed", "137", "2026-05-04T03:02:02Z"],
        ["tiles", "2", "failed", "137", "2026-05-04T03:02:03Z"],
    ]
    assert "12 s  1.0 GiB  17 B" in attempts
    assert "parameter tile_width was 512, is 768  killed by SIGKILL" in attempts


def test_log_of_an_earlier_run(call: Call, ask: Ask, runs: Runs) -> None:
    """``--run`` shows another run; one that is not there is an error that names those that are."""
    earlier = failed_run(runs)
    failed_run(runs)
    assert ask("log", "3f0c", "--run", earlier)["run"] == earlier
    for wrong in ("20200101T000000.000Z-00000000", "../../x"):
        missing = call("log", "3f0c", "--run", wrong)
        assert missing.exit_code == 3
        assert earlier in missing.stderr


def test_log_as_json(ask: Ask, runs: Runs) -> None:
    """Programs get the record of the run, its attempts, and the ids of all runs."""
    run = failed_run(runs)
    found = ask("log", "3f0c")
    assert (found["run"], found["status"], found["runs"], found["damaged"]) == (run, "failed", [run], [])
    assert [task["status"] for task in found["tasks"]] == ["cached", "failed", "skipped"]
    assert [item["attempt"] for item in found["attempts"]] == [1, 2]


def test_log_of_a_task_is_what_it_printed(call: Call, runs: Runs) -> None:
    """The last attempt's log goes to stdout as it is, what became of the attempt to stderr."""
    run = failed_run(runs)
    last, first = call("log", "3f0c/tiles"), call("log", "tiles", "--job", "3f0c", "--attempt", "1")
    assert (last.exit_code, last.stdout) == (0, "line\nends with 2\n")
    assert last.stderr == f"attempt 2 at tiles in run {run}: failed: killed by SIGKILL\n"
    assert first.stdout == "line\nends with 1\n"


def test_log_of_a_task_as_json(ask: Ask, runs: Runs) -> None:
    """Programs get the attempt's record and its log."""
    failed_run(runs)
    found = ask("log", "3f0c/tiles")
    assert (found["record"]["attempt"], found["log"]) == (2, "line\nends with 2\n")


def test_log_of_a_task_that_the_newest_run_took_from_the_cache(call: Call, runs: Runs) -> None:
    """The log of the newest attempt is shown, of whichever run it is; a run without one is an error."""
    run = failed_run(runs)
    with runs.begin("flooding") as later:
        later.update(event("cached", "tiles"))
    assert call("log", "3f0c/tiles").stderr.startswith(f"attempt 2 at tiles in run {run}")
    none = call("log", "3f0c/tiles", "--run", later.run)
    assert (none.exit_code, "made no attempt at tiles" in none.stderr) == (3, True)


def test_log_of_the_attempt_that_made_a_revision(call: Call, runs: Runs) -> None:
    """A revision is named as tables print it; a task may have a name of that form all the same."""
    for number in (1, 2, 3):
        with runs.begin("flooding") as run:
            run.attempt(attempt("tiles", stage=f"3f0c/tiles@{number}"), b"made %d\n" % number)
    assert call("log", "3f0c/tiles@2").stdout == "made 2\n"
    assert call("log", "3f0c/tiles").stdout == "made 3\n"
    none = call("log", "3f0c/tiles@4")
    assert (none.exit_code, "made no attempt at tiles@4" in none.stderr) == (3, True)
    with runs.begin("flooding") as run:
        run.attempt(attempt("tiles@2"), b"another task\n")
    assert call("log", "3f0c/tiles@2").stdout == "another task\n"


def test_log_of_a_shard(call: Call, runs: Runs) -> None:
    """A shard that failed has a log of its own, which that of its task names; its task counts the shards."""
    with runs.begin("flooding") as run:
        run.attempt(attempt("tiles", shard="tiles+0a"), b"no memory\n")
        run.attempt(attempt("tiles", shard="tiles+0b", outcome="done"))
        run.attempt(attempt("tiles", text=""))
    assert call("log", "3f0c/tiles+0a").stdout == "no memory\n"
    whole = call("log", "3f0c/tiles")
    assert whole.stdout == "== tiles+0a, attempt 1 ==\nno memory\n"
    assert whole.stderr.splitlines()[1] == "of this shard alone: up42-state log 3f0c/tiles+0a"
    assert "shards: 1 done, 1 failed" in call("log", "3f0c").stdout


def test_log_of_a_silent_attempt(call: Call, runs: Runs) -> None:
    """An attempt that printed nothing says so on stderr."""
    with runs.begin("flooding") as run:
        run.attempt(attempt("tiles", text=""))
    result = call("log", "3f0c/tiles")
    assert result.stdout == ""
    assert result.stderr == f"attempt 1 at tiles in run {run.run}: failed; it printed nothing\n"


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("log", "none"), 3, "has no job none"),
        (("log", "none/x"), 3, "has no job none"),
        (("log", "3f0c/x"), 3, "has no stage x"),
        (("log",), 2, "no job is given"),
        (("log", "3f0c/x", "--job", "other"), 2, "--job says other"),
        (("log", "3f0c", "--attempt", "1"), 2, "--attempt needs a task"),
        (("log", "a b"), 2, "is not a job key"),
    ],
)
def test_what_log_cannot_show(
    call: Call, saved: Saved, words: tuple[str, ...], status: int, says: str
) -> None:
    """What is not there, and what is not said well, is an error that says so."""
    saved("scenes", a=b"a")
    result = call(*words)
    assert result.exit_code == status
    assert says in result.stderr


def test_a_damaged_record_hides_no_other(call: Call, runs: Runs, store: Path) -> None:
    """The other records are shown, the damaged one is named, and the exit code is 6."""
    run = failed_run(runs)
    record = store / "3f0c/.runs" / run / "tiles.1.json"
    record.write_bytes(b"{")
    people, programs = call("log", "3f0c"), call("log", "3f0c", "--json")
    assert (people.exit_code, programs.exit_code) == (6, 6)
    assert f"3f0c/.runs/{run}/tiles.1.json is damaged" in people.stdout
    found = json.loads(programs.stdout)
    assert [item["attempt"] for item in found["attempts"]] == [2]
    assert [item["key"] for item in found["damaged"]] == [f"3f0c/.runs/{run}/tiles.1.json"]
    (store / "3f0c/.runs" / run / "run.json").unlink()
    again = call("log", "3f0c")
    assert (again.exit_code, "tiles 2" in again.stdout) == (6, True)
    log = call("log", "3f0c/tiles", "--attempt", 1)
    assert (log.exit_code, log.stdout) == (6, "line\nends with 1\n")


def test_a_hostile_log_does_not_steer_the_terminal(runs: Runs, store: Path) -> None:
    """On a terminal control characters of a log are written out; elsewhere the log is as it was."""
    with runs.begin(HOSTILE) as run:
        run.attempt(attempt("tiles"), HOSTILE.encode() + b"\ttab\xff\n")
    command = [sys.executable, "-c", "from up42_state.cli import main; main()", "log", "3f0c/tiles"]
    piped = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert piped.stdout == HOSTILE.encode() + b"\ttab\xff\n"
    terminal, end = pty.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        process = subprocess.Popen(command, stdout=end, stderr=subprocess.DEVNULL)
        os.close(end)
        found = b""
        with process, suppress(OSError):  # EIO: the terminal's other end is closed
            while piece := shown.read(65536):
                found += piece
    assert b"\x1b" not in found
    assert found.startswith(rb"\x1b[2Jx")


def test_hostile_texts_stay_texts(call: Call, runs: Runs) -> None:
    """Names and reasons with control characters are written out in tables."""
    with runs.begin(HOSTILE, warnings=[HOSTILE]) as run:
        run.update(event("failed", "tiles", reason=HOSTILE))
        run.attempt(attempt("tiles", text=HOSTILE, why=HOSTILE, warnings=(HOSTILE,)))
        run.end("failed", HOSTILE)
    for words in (("log", "3f0c"), ("stages", "--job", "3f0c"), ("jobs", "--long"), ("log", "3f0c/tiles")):
        result = call(*words)
        assert "\x1b" not in result.stdout + result.stderr
        assert r"\x1b[2Jx" in result.stdout + result.stderr


def test_no_secret_is_shown_of_a_record(
    call: Call, runs: Runs, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that stands in a record of somebody else is not shown."""
    secret = "known-to-nobody-else-0123456789"  # or another test's runner would keep it out of the record
    with runs.begin("flooding") as run:
        run.attempt(attempt("tiles", text=secret), secret.encode())
        run.update(event("failed", "tiles", reason=secret))
    monkeypatch.setenv("BLOCK_PASSWORD", secret)
    assert secret in (store / "3f0c/.runs" / run.run / "run.json").read_text()
    for words in (("log", "3f0c"), ("stages", "--job", "3f0c"), ("jobs", "--long"), ("log", "3f0c/tiles")):
        for result in (call(*words), call(*words, "--json")):
            assert secret not in result.stdout + result.stderr


def test_stages_tell_of_unfinished_tasks(call: Call, ask: Ask, runs: Runs, saved: Saved) -> None:
    """Tasks that the newest run did not finish follow the stages, those without a stage too."""
    saved("scenes", a=b"a")
    saved("tiles", a=b"a")
    run = failed_run(runs)
    stages, tasks = call("stages", "--job", "3f0c").stdout.split("\n\n")
    assert [line.split()[0] for line in stages.splitlines()] == ["STAGE", "scenes", "tiles"]
    assert [line.split(maxsplit=3) for line in tasks.splitlines()] == [
        ["TASK", "STATUS", "RUN", "REASON"],
        ["tiles", "failed", run, "killed by SIGKILL"],
        ["report", "skipped", run, "tiles failed"],
    ]
    scenes, tiles, report = ask("stages", "--job", "3f0c")
    assert "task" not in scenes
    assert (tiles["revision"], tiles["task"]["status"], tiles["task"]["run"]) == (1, "failed", run)
    assert (report["stage"], report["task"]["text"], "revision" in report) == (
        "report",
        "tiles failed",
        False,
    )


def test_stages_of_a_job_whose_first_task_failed(call: Call, runs: Runs) -> None:
    """A job without any stage shows what its run did not finish."""
    failed_run(runs)
    result = call("stages", "--job", "3f0c")
    assert result.exit_code == 0
    assert result.stderr == "job 3f0c holds no stages\n"
    assert "killed by SIGKILL" in result.stdout


def test_shards_are_counted(call: Call, ask: Ask, saved: Saved) -> None:
    """The shards of a task are one row, and with ``--shards`` a row each; programs get all of them."""
    saved("tiles", a=b"a")
    for number in range(3):
        saved(f"tiles+{number:020x}", a=b"a", b=b"bb")
    saved("a+b", a=b"a")
    stages, shards = call("stages", "--job", "3f0c").stdout.split("\n\n")
    assert [line.split()[0] for line in stages.splitlines()] == ["STAGE", "a+b", "tiles"]
    assert shards.splitlines()[1].split() == ["tiles", "3", "6", "9", "B"]
    every = call("stages", "--job", "3f0c", "--shards").stdout
    assert (len(every.splitlines()), len(ask("stages", "--job", "3f0c"))) == (6, 5)


def test_a_run_that_is_done_adds_nothing_to_stages(call: Call, runs: Runs, saved: Saved) -> None:
    """After a run in which all went well the table is as without a run."""
    saved("scenes", a=b"a")
    before = call("stages", "--job", "3f0c").stdout
    with runs.begin("flooding") as run:
        run.update(event("done", "scenes"))
    assert call("stages", "--job", "3f0c").stdout == before


def test_a_damaged_run_is_a_warning_for_stages(call: Call, runs: Runs, saved: Saved, store: Path) -> None:
    """What the store holds of stages is listed all the same."""
    saved("scenes", a=b"a")
    run = failed_run(runs)
    (store / "3f0c/.runs" / run / "run.json").write_bytes(b"{}")
    result = call("stages", "--job", "3f0c")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 2)
    assert result.stderr.startswith(f"warning: 3f0c/.runs/{run}/run.json")


def killed_run(runs: Runs) -> None:
    """Record a run of a process that ends without a word."""
    code = (
        "import os, sys; from up42_state.state import State; from up42_state.workflow.runs import Runs\n"
        "from up42_state.workflow.events import Event; from datetime import UTC, datetime\n"
        "run = Runs(State(sys.argv[1]).store, '3f0c').begin('flooding')\n"
        "run.update(Event(kind='started', time=datetime.now(UTC), run='r', task='tiles'))\n"
        "from up42_state.workflow.records import AttemptRecord\n"
        "run.attempt(AttemptRecord(task='tiles', shard='tiles+0a', outcome='done'), b'tile')\n"
        "run._store_shards(); run._write(); os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", code, runs.store.bucket.url], check=False, timeout=60)


def test_a_run_that_was_killed_is_dead(call: Call, ask: Ask, runs: Runs) -> None:
    """``jobs --long``, ``stages`` and ``log`` say of a run whose process is gone that it is dead."""
    killed_run(runs)
    assert [job["run"]["status"] for job in ask("jobs", "--long")] == ["dead"]
    (task,) = ask("stages", "--job", "3f0c")
    assert (task["task"]["status"], task["task"]["text"]) == ("dead", "the run died")
    found = ask("log", "3f0c")
    assert (found["status"], [item["outcome"] for item in found["attempts"]]) == ("dead", ["dead"])
    assert call("log", "3f0c/tiles").stdout == "== tiles+0a, attempt 1 ==\ntile\n"


def test_jobs_tell_of_their_newest_runs(call: Call, ask: Ask, runs: Runs, saved: Saved) -> None:
    """``jobs --long`` has the newest run of each job; ``jobs`` asks nothing of runs."""
    saved("scenes", "--job", "other", a=b"a")
    run = failed_run(runs)
    with runs.begin("flooding") as now:
        assert ask("jobs") == [{"job": "3f0c"}, {"job": "other"}]
        first, second = ask("jobs", "--long")
        assert (first["run"]["run"], first["run"]["status"], second["run"]) == (now.run, "running", None)
        now.end("failed", "1 task failed")
    heading, row, other = call("jobs", "--long").stdout.splitlines()
    assert heading.split() == [
        *("JOB", "STAGES", "SIZE", "LAST", "SAVE"),
        *("STATUS", "RUN", "WORKFLOW", "START", "REASON"),
    ]
    assert [*row.split()[:2], *row.split()[4:7]] == ["3f0c", "0", "failed", now.run, "flooding"]
    assert other.split()[:2] == ["other", "1"]
    assert run < now.run


def test_prune_tells_of_records(call: Call, ask: Ask, runs: Runs, saved: Saved) -> None:
    """``prune`` says how many runs' records it deleted, and which."""
    saved("scenes", a=b"a")
    for _ in range(11):
        with runs.begin("flooding"):
            pass
    oldest = runs.list()[0]
    words = ("prune", "--job", "3f0c", "--grace", "0", "--no-writers")
    assert ask(*words, "--dry-run")["runs"] == [oldest]
    assert re.search(r"^records of runs +1$", call(*words).stdout, re.MULTILINE)
    assert oldest not in runs.list()


def test_requests_of_looking(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest run costs a listing and a read, whatever the number of runs."""
    for _ in range(3):
        failed_run(runs)
    bucket = FaultyBucket(runs.store.bucket)
    Runs(Store(bucket=bucket), "3f0c").latest()
    assert [name for name, _ in bucket.operations.names] == ["prefixes", "get"]
