"""Pruning removes shards that their task has left behind, and no others."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from doubles.blocks import Bodies, read, task, workflow, write
from doubles.outputs import feature

from up42_state.state import Job, State
from up42_state.workflow.runner import run

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.stages.upkeep.prune import Pruned
    from up42_state.workflow.blocks.work import Work


class Example:
    """Features, one shard for each; a shard of an even one writes a file."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.blocks = Bodies(make=self.make, each=self.each)
        self.flow = workflow(task("make:1", "make"), task("each:1", "each", "make:1", chunk=1))
        self.ran: list[str] = []

    def make(self, work: Work) -> None:
        write(work, self.features)

    def each(self, work: Work) -> None:
        (found,) = read(work)["features"]
        self.ran.append(found["id"])
        if int(found["id"]) % 2:
            write(work, [found])
        else:
            write(work, [feature("a.tif", found["id"])], {"a.tif": found["id"].encode()})

    def run(self, *numbers: int) -> list[str]:
        """Run with these features; the ids of the shards that ran."""
        self.ran.clear()
        self.features = [feature(None, str(number)) for number in numbers]
        self.blocks.versions["make"] = str(numbers)
        assert not run(self.flow, self.job, blocks=Bodies.again(self.blocks)).failed
        return sorted(self.ran)

    def prune(self, **options: Any) -> Pruned:
        return self.job.prune(**{"keep": 1, "grace": timedelta(), "no_writers": True} | options)


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example(State(f"file://{tmp_path}/store").job("job"))


def test_what_is_part_of_the_task_stays(example: Example) -> None:
    """Also shards that wrote no file, of which the task's stage holds no byte."""
    example.run(1, 2, 3, 4)
    pruned = example.prune()
    assert pruned.shards == ()
    assert example.run(1, 2, 3, 4, 5) == ["5"]
    assert all(found.ok for found in example.job.verify())


def test_what_the_task_has_left_goes(example: Example) -> None:
    """The shards of features that are gone are removed; the next pruning frees their bytes."""
    example.run(1, 2, 3, 4)
    example.run(1, 2)
    assert len(example.prune(dry_run=True).shards) == 2
    assert len(example.prune().shards) == 2
    assert example.prune().shards == ()
    left = [name for name in example.job.state.store.stages("job") if example.job.stage(name).exists()]
    assert len(left) == 4
    assert all(found.ok for found in example.job.verify())
    assert example.run(1, 2, 3, 4) == ["3", "4"]


def test_a_revision_that_is_kept_keeps_its_shards(example: Example) -> None:
    """What an older revision of the task stands on stays with that revision."""
    example.run(1, 2, 3, 4)
    example.run(1, 2)
    assert example.prune(keep=2).shards == ()


def test_what_was_left_lately_stays(example: Example) -> None:
    """A feature may come back: within the grace its shard is not made again."""
    example.run(1, 2, 3, 4)
    example.run(1, 2)
    assert example.prune(grace=timedelta(hours=1), no_writers=False).shards == ()
    assert example.run(1, 2, 3, 4) == []


def test_shards_of_a_task_that_was_never_put_together(example: Example) -> None:
    """A run that was ended goes on with them, however long ago that was."""
    example.run(1, 2)
    for key in list(example.job.state.store.bucket.list("job/each:1/")):
        example.job.state.store.bucket.delete([key.key])
    assert example.prune().shards == ()
    assert example.run(1, 2) == []
