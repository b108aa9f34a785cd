"""Events, and how the tasks of a run stand by them."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from up42_state.workflow.board import Board
from up42_state.workflow.events import Event

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def event(kind: Any, task: str = "t", **more: Any) -> Event:
    return Event(**{"kind": kind, "time": NOW, "run": "r", "task": task} | more)


def test_an_event_as_json_says_only_what_it_knows() -> None:
    """Names are stable, times are UTC, and what is not known is left out; 0 is known."""
    told = event(
        "failed", attempt=2, reason="exit code 3", exit_code=3, features=0, shards=(1, 2), log=("a",)
    )
    assert told.to_dict() == {
        "event": "failed",
        "time": "2026-05-04T03:02:01Z",
        "run": "r",
        "task": "t",
        "attempt": 2,
        "reason": "exit code 3",
        "features": 0,
        "exit_code": 3,
        "shards": [1, 2],
        "log": ["a"],
    }
    assert event("end", "", reason="").to_dict() == {
        "event": "end",
        "time": "2026-05-04T03:02:01Z",
        "run": "r",
    }


def test_a_task_from_waiting_to_done() -> None:
    """The reason to run stays, the failure of an attempt does not; attempts and times are counted."""
    board = Board()
    later = NOW + timedelta(seconds=5)
    for told in (
        event("run", ""),
        event("waiting", reason="no output yet"),
        event("started", attempt=1),
        event("step", reason="restoring"),
        event("retry", attempt=2, reason="exit code 3"),
        event("started", attempt=2, time=later),
        event("done", time=later, features=3, bytes=10, peak_memory=7, stage="j/t@1"),
        event("end", ""),
    ):
        board.take(told)
    (task,) = board.tasks()
    assert (task.status, task.why, task.text, task.attempts) == ("done", "no output yet", "", 2)
    assert (task.start, task.end) == (NOW, later)
    assert (task.features, task.bytes, task.peak_memory, task.stage) == (3, 10, 7, "j/t@1")


def test_why_a_task_failed_or_was_skipped() -> None:
    """The reason of the end is told beside the reason to run."""
    board = Board()
    board.take(event("waiting", "a", reason="no output yet"))
    board.take(event("failed", "a", reason="killed by SIGKILL", exit_code=137))
    board.take(event("skipped", "b", reason="a failed"))
    first, second = board.tasks()
    assert (first.why, first.text, first.exit_code) == ("no output yet", "killed by SIGKILL", 137)
    assert (second.status, second.text) == ("skipped", "a failed")


def test_what_is_cached_after_all_has_no_reason_to_run() -> None:
    """A task that was planned to run, since another would, and is found done: the plan's reason is gone."""
    board = Board()
    board.take(event("waiting", reason="tiling:1 runs"))
    board.take(event("cached"))
    (task,) = board.tasks()
    assert (task.status, task.why) == ("cached", "")


def test_shards_move_their_task_and_do_not_end_it() -> None:
    """A task of which a shard failed still runs; counts do not go back, whatever the order of events."""
    board = Board()
    board.take(event("waiting"))
    board.take(event("started", shard="t+0a"))
    board.take(event("shard", shard="t+0b", shards=(2, 3), peak_memory=5))
    board.take(event("shard", shard="t+0a", shards=(1, 3), reason="exit code 1", peak_memory=3))
    (task,) = board.tasks()
    assert (task.status, task.shards, task.text, task.peak_memory) == ("running", (2, 3), "", 5)


def test_events_of_many_threads() -> None:
    """No event is lost, whichever thread tells it."""
    board = Board()

    def tell(number: int) -> None:
        for step in range(200):
            board.take(event("started", f"t{number}"))
            board.take(event("done", "all", attempt=number * 200 + step))

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tasks = {task.task: task for task in board.tasks()}
    assert len(tasks) == 9
    assert tasks["all"].attempts == 8 * 200 - 1
