"""Directories in one another, as deep as a system opens: work grows with what is there, not faster."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import data_paths, feature

from up42_state import propagate
from up42_state.stages.local.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from up42_state.state import Job

CALLS = ("open", "stat", "lstat", "mkdir", "rename", "scandir", "unlink", "rmdir", "listdir")


class Count:
    """Counts system calls."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        for name in CALLS:
            patch.setattr(os, name, self._wrap(getattr(os, name)))

    def _wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            return call(*arguments, **options)

        return counted


def write(root: Path, paths: Iterable[str], named: Iterable[str]) -> Path:
    """Write an output with these files, each holding its path, and a feature for each name."""
    root.mkdir()
    with Directory(root) as directory:
        for path in paths:
            *above, name = path.split("/")
            fd = os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=directory.enter(above))
            os.write(fd, path[-20:].encode())
            os.close(fd)
    data = {"type": "FeatureCollection", "features": [feature(path) for path in named]}
    (root / "data.json").write_text(json.dumps(data))
    return root


def levels(depth: int, each: int) -> list[str]:
    """Some files in each of many directories in one another."""
    return [f"{'d/' * level}{number}" for level in range(1, depth + 1) for number in range(each)]


@pytest.mark.parametrize(
    "shape", [lambda n: levels(n, 3), lambda n: [f"{'d/' * n}{i}" for i in range(3 * n)]]
)
def test_a_path_costs_as_many_steps_as_lie_between_it_and_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: Callable[[int], list[str]]
) -> None:
    """Four times the levels and files take about four times the calls; from the root it would be sixteen."""

    def calls(number: int) -> int:
        root = tmp_path / str(number)
        root.mkdir()
        with monkeypatch.context() as patch, Directory(root) as directory:
            count = Count(patch)
            for path in sorted(shape(number)):
                directory.enter(path.split("/")[:-1])
            return count.calls

    assert calls(400) < 5 * calls(100)


@pytest.mark.parametrize("verb", ["restore", "restore again", "propagate"])
def test_calls_of_a_switch_grow_with_the_files(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Whatever is put into a directory, and however deep it goes there."""

    def calls(number: int) -> int:
        paths = levels(number, 2)
        stage = job.stage(f"s:{number}")
        stage.save(write(tmp_path / f"out{number}", paths, paths))
        target = tmp_path / f"in{number}"
        if verb == "restore again":
            stage.restore(target)
        if verb == "propagate":
            write(target, [], [])
        with monkeypatch.context() as patch:
            count = Count(patch)
            if verb == "propagate":
                propagate(target, [stage])
            else:
                stage.restore(target)
        assert len(data_paths(target)) == len(paths)
        return count.calls

    assert calls(160) < 5 * calls(40)


@pytest.mark.timeout(120)
def test_hundreds_of_files_at_the_bottom_of_a_very_deep_folder(job: Job, tmp_path: Path) -> None:
    """They are saved, restored, verified and propagated in seconds."""
    paths = [f"{'d/' * 600}{number}" for number in range(400)]
    output = write(tmp_path / "out", paths, paths)
    into = write(tmp_path / "into", [], [])
    started = time.process_time()
    stage = job.stage("s:1")
    stage.save(output)
    stage.restore(tmp_path / "in")
    assert stage.verify().ok
    propagate(into, [stage])
    assert time.process_time() - started < 8
    assert (tmp_path / "in" / paths[-1]).read_text() == paths[-1][-20:]
    assert (into / paths[-1]).read_text() == paths[-1][-20:]


@pytest.mark.parametrize("away", ["moved", "removed"])
def test_a_directory_that_goes_while_it_is_open_leads_nowhere_else(tmp_path: Path, away: str) -> None:
    """The next path is sought from the root again, and what is made lies below it."""
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    (root / "a" / "b" / "c").mkdir(parents=True)
    elsewhere.mkdir()
    with Directory(root) as directory:
        directory.enter(["a", "b", "c"])
        if away == "moved":
            (root / "a" / "b").rename(elsewhere / "b")
        else:
            shutil.rmtree(root / "a" / "b")
        directory.enter(["a", "d"])
        fd = directory.enter(["a", "b", "e"])
        assert os.path.samestat(os.fstat(fd), os.stat(root / "a" / "b" / "e"))
    assert (root / "a" / "d").is_dir()
    assert not (elsewhere / "d").exists()
