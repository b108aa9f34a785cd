"""Two that work on one task make one revision, also where a block's output differs from run to run."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import write_output

from up42_state.stages.format.recipe import Recipe
from up42_state.stages.write.publish import Precondition
from up42_state.stages.write.save import Save
from up42_state.stages.write.standing import standing

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.stages.write.save import Saved
    from up42_state.state import Job

_NUMBERS = count()
RECIPE = Recipe(block="image sha256:1")


def saving(job: Job, folder: Path, *, seen: int | None, **more: Any) -> Save:
    """A save of an output that is like no other."""
    number = next(_NUMBERS)
    output = write_output(folder / f"out{number}", {"a.tif": f"output {number}".encode()})
    return Save(
        store=job.state.store,
        job=job.key,
        stage="s:1",
        output=output,
        quicklooks=None,
        precondition=Precondition(seen=seen),
        **{"recipe": RECIPE} | more,
    )


def revisions(job: Job) -> int:
    return len(list(job.stage("s:1").history()))


def test_the_second_of_two_gives_way(job: Job, tmp_path: Path) -> None:
    """Both began when there was no revision: the second finds the first's, and makes none."""
    first = saving(job, tmp_path, seen=0).run()
    second = saving(job, tmp_path, seen=0).run()
    assert (first.outcome, second.outcome) == ("saved", "kept")
    assert second.commit == first.commit
    assert revisions(job) == 1


def test_a_race_has_one_winner(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """The other's commit comes between the look at the stage and the write of the own commit."""
    other = saving(job, tmp_path, seen=0)
    found: list[Saved] = []

    def interrupt(name: str, key: str) -> None:
        if name == "create" and "/commits/" in key and not found:
            bucket.operations.on_operation = lambda _name, _key: None
            found.append(other.run())

    bucket.operations.on_operation = interrupt
    mine = saving(job, tmp_path, seen=0).run()
    assert (mine.outcome, mine.commit) == ("kept", found[0].commit)
    assert job.stage("s:1").open("a.tif").read() == (other.output / "a.tif").read_bytes()
    assert revisions(job) == 1


def test_a_forced_run_makes_its_revision(job: Job, tmp_path: Path) -> None:
    """Who knew of the revision when the run began wants another one; two such runs make one."""
    saving(job, tmp_path, seen=0).run()
    assert saving(job, tmp_path, seen=1).run().commit.revision == 2
    assert saving(job, tmp_path, seen=1).run().commit.revision == 2
    assert revisions(job) == 2


@pytest.mark.parametrize(
    "more",
    [{"recipe": Recipe(block="image sha256:2")}, {"recipe": Recipe()}, {"fingerprint": "sha256:9"}],
    ids=["another block", "an unknown block", "another input"],
)
def test_what_is_made_of_something_else_is_another_revision(
    job: Job, tmp_path: Path, more: dict[str, Any]
) -> None:
    """A later revision stands in place of a new one only if both are made of the same."""
    saving(job, tmp_path, seen=0, **more).run()
    assert saving(job, tmp_path, seen=0).run().commit.revision == 2


def test_two_outputs_of_what_nobody_knows_are_two_revisions(job: Job, tmp_path: Path) -> None:
    """Without a fingerprint nothing says that both are made of the same."""
    for _ in range(2):
        saving(job, tmp_path, seen=0, recipe=Recipe()).run()
    assert revisions(job) == 2


def test_a_whole_output_follows_one_that_lacks_some(job: Job, tmp_path: Path) -> None:
    """A revision without the shards that failed is no substitute for a whole one; the reverse is."""
    saving(job, tmp_path, seen=0, missing=("a",)).run()
    assert saving(job, tmp_path, seen=0, missing=("b",)).run().commit.revision == 2
    assert saving(job, tmp_path, seen=0).run().commit.revision == 3
    assert saving(job, tmp_path, seen=0, missing=("a",)).run().commit.revision == 3


def test_lost_bytes_are_made_anew(job: Job, tmp_path: Path) -> None:
    """The revision that was seen has lost its bytes, which is why the task runs: it makes a new one."""
    first = saving(job, tmp_path, seen=0).run().commit
    bucket = job.state.store.bucket
    assert first.index is not None
    bucket.delete([first.index.key])
    found = standing(job.stage("s:1")._history, RECIPE, [])
    assert (found.is_done, found.newest) == (False, 1)
    assert saving(job, tmp_path, seen=found.newest).run().commit.revision == 2
    assert job.stage("s:1").verify().ok


def test_a_removed_stage_is_made_anew(job: Job, tmp_path: Path) -> None:
    """A tombstone that was written meanwhile is no output; standing counts it as seen."""
    saving(job, tmp_path, seen=0).run()
    job.stage("s:1").delete()
    assert standing(job.stage("s:1")._history, RECIPE, []).newest == 2
    assert saving(job, tmp_path, seen=0).run().commit.revision == 3


def test_a_save_that_saw_nothing_adds_its_revision(job: Job, tmp_path: Path) -> None:
    """Saves outside of runs are as before: other output is another revision."""
    saving(job, tmp_path, seen=None).run()
    assert saving(job, tmp_path, seen=None).run().commit.revision == 2
