"""A run as it is watched: a table on a terminal, lines in a log, objects for programs."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from doubles.planted import PLANTED
from rich.cells import cell_len

from up42_state.cli.common import Common
from up42_state.cli.watching.lines import ChangeLines
from up42_state.cli.watching.table import chosen, lines
from up42_state.cli.watching.watcher import watcher
from up42_state.workflow.events import Event
from up42_state.workflow.records import TaskRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
HOSTILE = "\x1b[2J\x1b]0;x\x07[bold]x[/bold]\r\n"
SECRET = f"{PLANTED}-0123456789"


def event(kind: Any, task: str = "tiling:1", **more: Any) -> Event:
    return Event(**{"kind": kind, "time": NOW, "run": "r", "task": task} | more)


def history() -> list[Event]:
    """A run in which one task is cached, one is done, one fails and one is skipped."""
    return [
        event("run", "", reason="flooding"),
        event("waiting", "scenes:1"),
        event("waiting", reason="parameter tile_width was 512, is 768"),
        event("cached", "scenes:1", stage="j/scenes:1@3"),
        event("started", attempt=1, reason="parameter tile_width was 512, is 768"),
        event("retry", attempt=2, reason="exit code 3"),
        event("done", time=NOW + timedelta(seconds=12), seconds=12.3, features=1, bytes=2048, stage="j/t@1"),
        event(
            "failed",
            "detect:1",
            attempt=1,
            reason="killed by SIGKILL",
            exit_code=137,
            log=("one", HOSTILE, "last"),
        ),
        event("skipped", "report:1", reason="detect:1 failed"),
        event("end", "", reason="1 task failed"),
    ]


def tell(events: Iterable[Event], *, as_json: bool = False, **common: Any) -> None:
    with watcher(Common(**common), json=as_json) as take:
        for told in events:
            take(told)


def test_objects_for_programs(capfd: pytest.CaptureFixture[str]) -> None:
    """Each event is one JSON object on a line of stdout; nothing else is there, and stderr is empty."""
    tell(history(), as_json=True, json=True)
    out, err = capfd.readouterr()
    assert [json.loads(line) for line in out.splitlines()] == [told.to_dict() for told in history()]
    assert err == ""


def test_objects_of_many_threads_are_whole(capfd: pytest.CaptureFixture[str]) -> None:
    """Threads do not write into each other's lines."""
    with watcher(Common(json=True), json=True) as take:
        threads = [
            threading.Thread(target=lambda: [take(event("step", reason="x" * 500)) for _ in range(50)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [told["reason"] for told in found] == ["x" * 500] * 400


def test_lines_in_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    """Each change of a task is a line on stderr; what came of the tasks is on stdout."""
    tell(history())
    out, err = capfd.readouterr()
    said, _, failure = err.partition("detect:1 failed: killed by SIGKILL; ")
    assert said.splitlines() == [
        "2026-05-04T03:02:01Z run r begins: flooding",
        "2026-05-04T03:02:01Z scenes:1 cached (j/scenes:1@3)",
        "2026-05-04T03:02:01Z tiling:1 runs: parameter tile_width was 512, is 768",
        "2026-05-04T03:02:01Z tiling:1 is tried again, attempt 2: exit code 3",
        "2026-05-04T03:02:13Z tiling:1 done (12.3 s, 1 feature, 2.0 KiB, j/t@1)",
        "2026-05-04T03:02:01Z detect:1 failed: killed by SIGKILL",
        "2026-05-04T03:02:01Z report:1 skipped: detect:1 failed",
        "2026-05-04T03:02:01Z run r ends: 1 task failed",
    ]
    assert failure.splitlines() == [
        "the end of its log:",
        "  one",
        r"  \x1b[2J\x1b]0;x\x07[bold]x[/bold]\r\n",
        "  last",
    ]
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["TASK", "STATUS", "ATTEMPTS", "TIME", "FEATURES", "SIZE", "STAGE", "REASON"]
    assert [row[:2] for row in rows[1:]] == [
        ["scenes:1", "cached"],
        ["tiling:1", "done"],
        ["detect:1", "failed"],
        ["report:1", "skipped"],
    ]


def test_what_concerns_no_task_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    """A note on the run as a whole is said; a task that failed before any attempt has no log."""
    tell([event("step", "", reason="podman is slow here"), event("failed", reason="no room")])
    err = capfd.readouterr().err.splitlines()
    assert err[0] == "2026-05-04T03:02:01Z podman is slow here"
    assert err[2:] == ["tiling:1 failed: no room"]


def test_a_cached_task_has_no_reason(capfd: pytest.CaptureFixture[str]) -> None:
    """What it stands on was to run when the run began, and came out equal: nothing ran here."""
    tell([event("waiting", reason="scenes:1 runs"), event("cached", stage="j/tiling:1@3")])
    out = capfd.readouterr().out.splitlines()
    assert [line.split() for line in out] == [
        ["TASK", "STATUS", "STAGE"],
        ["tiling:1", "cached", "j/tiling:1@3"],
    ]


def test_quiet_leaves_the_result_and_the_failures(capfd: pytest.CaptureFixture[str]) -> None:
    """``--quiet`` shows no changes; what came of the run is printed all the same."""
    tell(history(), quiet=True)
    out, err = capfd.readouterr()
    assert err.startswith("detect:1 failed: killed by SIGKILL; the end of its log:\n")
    assert out.splitlines()[0].startswith("TASK")


def test_only_the_last_lines_of_a_log_are_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """Twenty lines, each of at most 500 characters, are shown of a failed task's log."""
    log = tuple(f"{number} {'x' * 10_000}" for number in range(100))
    tell([event("failed", attempt=1, reason="exit code 1", log=log)], quiet=True)
    shown = capfd.readouterr().err.splitlines()[1:]
    assert [line.split()[0] for line in shown] == [str(number) for number in range(80, 100)]
    assert {len(line) for line in shown} == {502}


@pytest.mark.parametrize("as_json", [True, False])
def test_no_secret_is_shown(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, as_json: bool
) -> None:
    """Neither reasons nor the ends of logs show a credential."""
    monkeypatch.setenv("BLOCK_PASSWORD", SECRET)
    says = f"cannot open https://user:{SECRET}@host/x"
    tell([event("failed", attempt=1, reason=says, log=(says,))], as_json=as_json, json=as_json)
    out, err = capfd.readouterr()
    assert SECRET not in out + err
    assert (out + err).count("cannot open https://host/x") == 2 if as_json else 4


def test_shards_are_summed_up_every_ten_seconds() -> None:
    """A thousand shards make a line every ten seconds, which tells of those that failed."""
    written: list[str] = []
    clock = iter(number * 0.025 for number in range(10_000))
    show = ChangeLines(written.append, clock=lambda: next(clock))
    for number in range(1000):
        reason = "exit code 1" if number == 3 else ""
        show.take(event("shard", shard=f"t+{number}", reason=reason, shards=(number + 1, 1000)))
    show.take(event("done", shards=(1000, 1000)))
    assert [line.partition(" ")[2] for line in written] == [
        "tiling:1: 401 of 1000 shards, 1 failed, last t+3: exit code 1",
        "tiling:1: 801 of 1000 shards, 1 failed, last t+3: exit code 1",
        "tiling:1 done",
    ]


def tasks(count: int) -> list[TaskRecord]:
    """Tasks of every kind, with names and reasons of every length."""
    statuses = ("done", "running", "waiting", "failed", "cached", "skipped")
    return [
        TaskRecord(
            task=f"{'detection' * (number % 7)}:{number}",
            status=statuses[number % 6],
            start=NOW,
            end=None if statuses[number % 6] == "running" else NOW + timedelta(seconds=number * 100),
            why="parameter tile_width was 512, is 768, and 山".ljust(number, "山"),
            text=HOSTILE if number % 6 == 3 else "",
            features=10**number % 10**9,
            bytes=10**number % 10**12,
            peak_memory=10**9,
            shards=(number, 1000) if number % 2 else None,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("columns", [1, 20, 40, 80, 100, 250])
@pytest.mark.parametrize("count", [0, 1, 5, 200])
def test_the_table_fits_the_terminal(columns: int, count: int) -> None:
    """No line is wider than the terminal, there are not too many, and none holds control characters."""
    found = lines(tasks(count), {"detection:1": HOSTILE}, columns, 24, NOW + timedelta(hours=30))
    assert len(found) < 24
    assert max(cell_len(line.plain) for line in found) <= columns
    assert all(line.plain.isprintable() for line in found)


def test_the_table_at_80_columns() -> None:
    """Columns that leave too little room for the reason are not there."""
    task = TaskRecord(
        task="tiling:1",
        status="running",
        start=NOW,
        why="parameter tile_width was 512, is 768",
        features=12,
        bytes=3 << 20,
        peak_memory=1 << 30,
        shards=(17, 1000),
    )
    heading, row, summary = lines([task], {}, 80, 24, NOW + timedelta(seconds=65))
    assert heading.plain.split() == ["TASK", "STATUS", "TIME", "FEATURES", "MEMORY", "SHARDS", "REASON"]
    assert row.plain == "tiling:1  running  1m05s        12  1.0 GiB  17/1000  parameter tile_width was …"
    assert summary.plain == "1 running"


def test_what_runs_and_failed_is_shown_first() -> None:
    """Of more tasks than lines those that run and failed are shown, in their order; the rest is counted."""
    many = tasks(60)
    assert {task.status for task in chosen(many, 15)} == {"running", "failed"}
    numbers = [int(task.task.rpartition(":")[2]) for task in chosen(many, 15)]
    assert numbers == sorted(numbers)
    last = lines(many, {}, 120, 18, NOW)[-1].plain
    assert last == "10 running, 10 failed, 10 skipped, 10 done, 10 cached, 10 waiting; 45 not shown"


SCRIPT = """
import sys, time
from datetime import UTC, datetime
from up42_state.cli.common import Common
from up42_state.cli.signals import end_on_signals
from up42_state.cli.watching.watcher import watcher
from up42_state.workflow.events import Event
end_on_signals()
as_json = sys.argv[2:] == ["json"]
common = Common()
with watcher(common, json=as_json) as take:
    for number in range(50):
        take(Event(kind="waiting", time=datetime.now(UTC), run="r", task=f"task:{number}"))
    take(Event(kind="step", time=datetime.now(UTC), run="", reason="no record could be stored"))
    take(Event(kind="started", time=datetime.now(UTC), run="r", task="task:45", reason="no output [bold]yet"))
    common.note("stopping what runs")
    time.sleep(float(sys.argv[1]))
    if as_json:
        sys.stderr.write("all events were taken\\n")
assert common.say is None
"""
WATCH = [sys.executable, "-c", SCRIPT]


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_reader_that_goes_away_does_not_end_the_run(closed: str) -> None:
    """The run goes on to its end when nobody reads what is shown."""
    reading, writing = os.pipe()
    os.close(reading)
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {closed: writing}
    done = subprocess.run([*WATCH, "0"], text=True, timeout=60, check=False, **streams)
    assert done.returncode in (0, 120)  # 120: Python itself could not write what was left, when all was over
    os.close(writing)
    said = done.stderr if closed == "stdout" else done.stdout
    assert ("stopping what runs" if closed == "stdout" else "task:49  waiting") in said


def test_a_full_disk_is_told_when_the_run_has_ended() -> None:
    """Events that cannot be written end no run; the error comes afterwards."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*WATCH, "0", "json"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert done.returncode in (1, 120)  # 120: Python itself tried once more when it ended
    assert "all events were taken" in done.stderr
    assert "OSError: [Errno 28] No space left on device" in done.stderr


def _on_a_terminal(seconds: float, until: str = "") -> tuple[str, int]:
    """What a run shows on a terminal of 80 columns; SIGINT comes when ``until`` is seen."""
    terminal, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    command = [*WATCH, str(seconds)]
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=end, env=environment)
        os.close(end)
        found = b""
        with process, suppress(OSError):  # EIO: the terminal's other end is closed
            while piece := shown.read(65536):
                found += piece
                if until and until.encode() in found:
                    until = ""
                    process.send_signal(signal.SIGINT)
    return found.decode(), process.returncode


def test_table_on_a_terminal() -> None:
    """The running task is shown with why it runs, though 50 tasks do not fit; at the end it is gone."""
    shown, status = _on_a_terminal(0.6)
    assert status == 0
    assert "task:45" in shown
    assert "no output [bold]yet" in shown
    assert "1 running, 49 waiting; 31 not shown" in shown
    # what is left when all lines of the table are erased
    assert shown.endswith("\x1b[2Kno record could be stored\r\nstopping what runs\r\n")


def test_interrupting_leaves_the_cursor() -> None:
    """Ctrl-C ends the table; the cursor was never hidden, so that no way to end can leave it so."""
    shown, status = _on_a_terminal(60, until="1 running")
    assert status == 130
    assert "\x1b[?25l" not in shown
    assert shown.endswith("\x1b[2Kno record could be stored\r\nstopping what runs\r\n")
