"""Commands where the machine allows no mounts: one at a time, in the directories that all share."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from workflow.blocks.cases import NO_NAMESPACES, command, processes_with, wait_until, work

from up42_state.workflow.blocks.sandbox.shared_tmp import LOCK

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.workflow.blocks.command import CommandBlock


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory in place of /tmp: the machine's own is not a test's."""
    place = tmp_path / "tmp"
    place.mkdir()
    return place


def block(root: Path, place: Path, text: str) -> CommandBlock:
    return command(
        root, "sh", "-c", text.replace("/tmp", str(place)), isolated=NO_NAMESPACES, shared=str(place)
    )


def test_one_at_a_time(tmp_path: Path, place: Path) -> None:
    """Blocks that may not have mounts run one after another, and the log and the notice say why."""
    text = "mkdir /tmp/busy && cp /tmp/input/data.json /tmp/output && sleep 0.2 && rmdir /tmp/busy"
    one = block(tmp_path, place, text)
    attempts = [work(tmp_path, f"{name}:1") for name in "abc"]
    with ThreadPoolExecutor() as pool:
        assert [ending.text for ending in pool.map(one.run, attempts)] == ["done"] * 3
    assert all((attempt.output / "data.json").exists() for attempt in attempts)
    assert "one at a time" in one.notice
    assert "unshare: Operation not permitted" in one.notice
    logs = [attempt.log.text() for attempt in attempts]
    assert all(one.notice in log for log in logs)
    assert any("waiting until another block has ended" in log for log in logs)
    assert os.listdir(place) == [LOCK]


def test_what_a_block_leaves_running(tmp_path: Path, place: Path) -> None:
    """Without namespaces, too, what a block has put into the background ends with the block."""
    text = "sleep 86394.8 & setsid sh -c 'sleep 86394.8 & sleep 86394.8' & sleep 0.2"
    assert block(tmp_path, place, text).run(work(tmp_path)).is_done
    assert not processes_with("sleep 86394.8")


def test_files_of_somebody(tmp_path: Path, place: Path) -> None:
    """A directory in which somebody keeps files is left alone, and no block runs."""
    (place / "output").mkdir()
    (place / "output" / "mine").touch()
    ending = block(tmp_path, place, "true").run(work(tmp_path))
    assert ending.reason == "not started"
    assert f"{place}/output cannot be removed: Directory not empty" in ending.text
    assert "move it away" in ending.text
    assert os.listdir(place / "output") == ["mine"]


def test_a_link_of_somebody(tmp_path: Path, place: Path) -> None:
    """A link that is not ours is left alone."""
    (place / "input").symlink_to(tmp_path)
    ending = block(tmp_path, place, "true").run(work(tmp_path))
    assert "/input is a link" in ending.text
    assert (place / "input").is_symlink()


def test_links_of_a_runner_that_was_killed(tmp_path: Path, place: Path) -> None:
    """Links that a killed runner has left are taken for what they are."""
    (place / "output").symlink_to(tmp_path / "gone")
    (place / LOCK).write_text(f'{{"{place}/output": "{tmp_path}/gone"}}')
    assert block(tmp_path, place, "true").run(work(tmp_path)).is_done
    assert not (place / "output").is_symlink()


def test_stopped_while_it_waits(tmp_path: Path, place: Path) -> None:
    """A block that waits for another one can be stopped, and its time runs."""
    first, second, third = (
        work(tmp_path, f"{name}:1", timeout=t) for name, t in (("a", 9), ("b", 9), ("c", 0.2))
    )
    one = block(tmp_path, place, "test -e $HOME/go && exit; touch /tmp/begun; sleep 5")
    with ThreadPoolExecutor() as pool:
        running = pool.submit(one.run, first)
        assert wait_until((place / "begun").exists)
        timer = threading.Timer(0.2, second.stop.set)
        timer.start()
        assert one.run(second).reason == "stopped"
        ending = one.run(third)
        assert ending.reason == "timeout"
        assert ending.text.startswith("timed out after 0.2 s, while another block held")
        first.stop.set()
        assert running.result().reason == "stopped"
    timer.join()
