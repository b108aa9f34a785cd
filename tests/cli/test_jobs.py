"""``jobs``, ``prune --all`` and ``rm``, which asks on a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from doubles.faulty import FaultyBucket

from up42_state.buckets.directory.bucket import DirectoryBucket
from up42_state.cli import runs as cli_runs
from up42_state.state import State
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Ask = Callable[..., Any]
    Call = Callable[..., Result]
    Saved = Callable[..., None]

COMMAND = [sys.executable, "-c", "from up42_state.cli import main; main()"]


def names(found: list[dict[str, Any]]) -> list[str]:
    return [item["job"] for item in found]


def make_older(store: Path, job: str, days: float) -> None:
    """Date all objects of a job back."""
    time = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for path in (store / job).rglob("*"):
        if path.is_file():
            os.utime(path, (time, time))


@pytest.fixture
def three(saved: Saved, store: Path) -> None:
    """Three jobs: ``b`` is the largest and the oldest, ``a`` the newest, ``c`` the smallest."""
    saved("scenes", "--job", "a", x=b"x" * 20_000)
    saved("scenes", "--job", "b", x=b"x" * 30_000)
    saved("scenes", "--job", "c", x=b"x" * 10_000)
    for days, job in ((1, "a"), (50, "b"), (9, "c")):
        make_older(store, job, days)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(("sort", "order"), [("name", "abc"), ("time", "acb"), ("size", "bac")])
def test_sorting(call: Call, ask: Ask, sort: str, order: str) -> None:
    """By name, the newest first, or the largest first; with ``--long`` and without it."""
    assert names(ask("jobs", "--sort", sort)) == names(ask("jobs", "--sort", sort, "--long")) == list(order)
    assert call("jobs", "--sort", sort).stdout.split() == ["JOB", *order]


def test_names_are_one_listing(store: Path, saved: Saved) -> None:
    """However many jobs there are, and whatever they hold."""
    for number in range(4):
        saved("scenes", "--job", f"j{number}", x=b"x")
    bucket = FaultyBucket(DirectoryBucket(store))
    state = State(store.as_uri())
    state.__dict__["store"] = state.store.__class__(bucket=bucket)
    assert len(state.jobs()) == 4
    assert [name for name, _ in bucket.operations.names] == ["prefixes"]


def test_long_list(call: Call, ask: Ask, saved: Saved, store: Path) -> None:
    """Stages, size, last save and the newest run; a folder that holds nothing of ours is left out."""
    saved("scenes", x=b"x" * 5000)
    saved("tiles", x=b"x")
    (store / "folder").mkdir()
    (store / "folder" / "readme").write_text("x")
    with Runs(State(store.as_uri()).store, "3f0c").begin("flooding") as run:
        run.end("failed", "1 task failed")
    (found,) = ask("jobs", "--long")
    size = sum(path.stat().st_size for path in (store / "3f0c").rglob("*") if path.is_file())
    assert (found["stages"], found["bytes"]) == (2, size)
    assert (found["run"]["run"], found["run"]["status"]) == (run.run, "failed")
    assert names(ask("jobs")) == ["3f0c", "folder"]
    heading, row = call("jobs", "--long").stdout.splitlines()
    assert heading.split()[:6] == ["JOB", "STAGES", "SIZE", "LAST", "SAVE", "STATUS"]
    assert row.split()[:2] == ["3f0c", "2"]
    assert row.endswith("1 task failed")


def test_an_empty_store_has_no_long_list(call: Call) -> None:
    """Nothing is listed, and it is said."""
    for words in (["--long"], ["--sort", "time"]):
        result = call("jobs", *words)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "the store holds no jobs\n")


def test_time_of_a_run_counts(saved: Saved, store: Path) -> None:
    """A job that ran later than another was saved is the newer one."""
    for job in ("a", "b"):
        saved("scenes", "--job", job, x=b"x")
        make_older(store, job, 9)
    make_older(store, "a", 5)
    opened = State(store.as_uri()).store
    with Runs(opened, "b").begin("flooding"):
        pass
    assert [item.job for item in cli_runs.sorted_usages(opened, ["a", "b"], "time")] == ["b", "a"]


@pytest.mark.usefixtures("three")
def test_prune_all(call: Call, ask: Ask, saved: Saved, store: Path) -> None:
    """Each job is told of; one that was used lately is counted, and a dry run deletes nothing."""
    saved("scenes", "--job", "b", x=b"y")
    saved("scenes", "--job", "b", x=b"z")
    make_older(store, "b", 50)
    before = sorted(store.rglob("*"))
    words = ("prune", "--all", "--older-than", "30d", "--keep", "1", "--dry-run")
    result = call(*words)
    heading, row = result.stdout.splitlines()
    assert heading.split()[:3] == ["JOB", "WOULD", "DELETE"]
    assert row.split()[:2] == ["b", "6"]
    assert result.stderr == "2 jobs left: something was saved or run lately\n"
    assert sorted(store.rglob("*")) == before
    assert [(item["job"], item.get("skipped", False)) for item in ask(*words)] == [
        ("a", True),
        ("b", False),
        ("c", True),
    ]
    done = ask("prune", "--all", "--keep", "1")
    assert [item["objects"] for item in done] == [0, 6, 0]
    assert len(sorted(store.rglob("*"))) < len(before)


@pytest.mark.usefixtures("three")
def test_a_job_that_cannot_be_pruned(call: Call, store: Path) -> None:
    """It is named, the others are done, and the exit code is 6."""
    (store / "a/scenes/commits/00000001.json").write_bytes(b"{}")
    people, programs = call("prune", "--all"), call("prune", "--all", "--json")
    assert (people.exit_code, programs.exit_code) == (6, 6)
    assert people.stdout.splitlines()[-1].startswith("a    a/scenes/commits/00000001.json is damaged")
    found = json.loads(programs.stdout)
    assert [("problem" in item, item["job"]) for item in found] == [(True, "a"), (False, "b"), (False, "c")]


@pytest.mark.parametrize("words", [("--all", "--job", "a"), ("--older-than", "30d", "--job", "a")])
def test_what_prune_does_not_take(call: Call, words: tuple[str, ...]) -> None:
    """All and one contradict each other, and one job is not chosen by its age."""
    assert call("prune", *words).exit_code == 2


def test_all_means_all_whatever_the_environment_says(call: Call, saved: Saved) -> None:
    """``UP42_STATE_JOB`` does not narrow ``--all``."""
    saved("scenes", "--job", "a", x=b"x")
    result = call("prune", "--all", "--json", UP42_STATE_JOB="none")
    assert names(json.loads(result.stdout)) == ["a"]


def on_a_terminal(answer: str, *words: str) -> tuple[int, str]:
    """Run a command whose stdin and stderr are a terminal, and type an answer."""
    terminal, end = pty.openpty()
    with os.fdopen(terminal, "r+b", buffering=0) as screen:
        process = subprocess.Popen([*COMMAND, *words], stdin=end, stdout=subprocess.DEVNULL, stderr=end)
        os.close(end)
        screen.write(answer.encode())
        shown = b""
        with process, suppress(OSError):  # EIO: the terminal's other end is closed
            while piece := screen.read(65536):
                shown += piece
    return process.returncode, shown.decode()


@pytest.mark.parametrize(
    ("answer", "status", "left"), [("y\n", 0, 0), ("n\n", 1, 1), ("\n", 1, 1), ("\4", 1, 1)]
)
def test_a_job_is_removed_if_a_person_says_so(
    ask: Ask, saved: Saved, answer: str, status: int, left: int
) -> None:
    """The question says what would go; whatever is not yes removes nothing."""
    saved("scenes", a=b"a" * 2000)
    code, shown = on_a_terminal(answer, "rm", "--job", "3f0c")
    assert code == status
    assert "Remove job 3f0c (1 stage, 4 objects, " in shown
    assert ("nothing was removed" in shown) == bool(left)
    assert len(ask("jobs")) == left


def test_a_stage_is_removed_if_a_person_says_so(ask: Ask, saved: Saved) -> None:
    """Revisions and bytes are told."""
    saved("scenes", a=b"a")
    saved("scenes", a=b"b")
    code, shown = on_a_terminal("y\n", "rm", "--job", "3f0c", "--stage", "scenes")
    assert code == 0
    assert "Remove stage 3f0c/scenes (2 revisions, " in shown
    assert ask("stages", "--job", "3f0c") == []


def test_yes_does_not_ask(ask: Ask, saved: Saved) -> None:
    """``--yes`` removes at once, on a terminal, too."""
    saved("scenes", a=b"a")
    assert on_a_terminal("", "rm", "--job", "3f0c", "--yes") == (0, "")
    assert ask("jobs") == []


def test_quiet_on_a_terminal_needs_yes(ask: Ask, saved: Saved) -> None:
    """Who wants to read nothing cannot be asked: an error, and nothing is removed."""
    saved("scenes", a=b"a")
    code, shown = on_a_terminal("y\n", "rm", "--job", "3f0c", "--quiet")
    assert (code, "give --yes" in shown) == (2, True)
    assert len(ask("jobs")) == 1
    assert on_a_terminal("", "rm", "--job", "3f0c", "--quiet", "--yes") == (0, "")


@pytest.mark.parametrize("stage", [(), ("--stage", "scenes")])
def test_dry_run_of_rm(call: Call, ask: Ask, saved: Saved, store: Path, stage: tuple[str, ...]) -> None:
    """It says what would go, and removes nothing."""
    saved("scenes", a=b"a")
    before = sorted(store.rglob("*"))
    found = ask("rm", "--job", "3f0c", *stage, "--dry-run")
    assert (found["job"], found["objects"], found["dry_run"]) == ("3f0c", 4, True)
    assert call("rm", "--job", "3f0c", *stage, "--dry-run").stdout.startswith("would remove  3f0c")
    assert sorted(store.rglob("*")) == before


@pytest.mark.parametrize("words", [("--job", "none"), ("--job", "3f0c", "--stage", "none")])
def test_dry_run_of_what_is_not_there(call: Call, saved: Saved, words: tuple[str, ...]) -> None:
    """It fails as the removal would."""
    saved("scenes", a=b"a")
    assert call("rm", *words, "--dry-run").exit_code == call("rm", *words).exit_code == 3


def test_dry_run_of_a_damaged_stage(call: Call, saved: Saved, store: Path) -> None:
    """A stage whose newest commit is damaged can be removed, so its dry run succeeds."""
    saved("scenes", a=b"a")
    (store / "3f0c/scenes/commits/00000001.json").write_bytes(b"{}")
    words = ("rm", "--job", "3f0c", "--stage", "scenes")
    assert (call(*words, "--dry-run").exit_code, call(*words).exit_code) == (0, 0)
