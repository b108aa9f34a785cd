"""The steps before and after a block that an engine runs: its input is filled, its output is saved.

Each step is a process of its own, on whatever machine. What one knows and the other needs is handed over in a
file (:mod:`~up42_state.workflow.steps.handover`); all else is in the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from up42_state.block.leftovers import leftovers
from up42_state.contract import check_apart
from up42_state.errors import SettingsError, StageNotFoundError, TargetConflictError
from up42_state.stages.format.names import some_names
from up42_state.stages.local.directory import writing_to
from up42_state.stages.write.publish import Precondition
from up42_state.workflow.planner import Planner
from up42_state.workflow.shards.stored import StoredShards
from up42_state.workflow.steps.chosen import Chosen, digest_of_cut
from up42_state.workflow.steps.handover import Handover, ShardPlace
from up42_state.workflow.task import StoredTask

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.stages.format.commit import JobMode
    from up42_state.stages.write.save import Saved
    from up42_state.state import Job
    from up42_state.workflow.model import Task
    from up42_state.workflow.steps.text import PortableTask

__all__ = ["Part", "collect", "stage_in", "stage_out", "stored_task"]


class _Known(NamedTuple):
    """The block of a task, which is known by its code alone."""

    code: str

    def of(self, task: Task) -> _Known:  # noqa: ARG002 - there is one
        """The block."""
        return self


def stored_task(portable: PortableTask, job: Job, job_mode: JobMode) -> StoredTask:
    """Return a task as it stands in a job, whoever runs its block."""
    return StoredTask(Planner(job, _Known(portable.code), job_mode), portable.task)


@dataclass(frozen=True, slots=True)
class Part:
    """What one process does of a task: the whole, or one shard.

    :param shards: those that are counted; ``None`` counts the whole cut.
    :param number: of the shard, from 0; ``None`` for the whole task.
    """

    shards: Chosen | None = None
    number: int | None = None

    def index(self, task: Task) -> int | None:
        """The index of the shard in the whole cut; ``None`` for the whole task.

        :raises SettingsError: the task has no shards, or it has shards and none is named.
        """
        if bool(task.chunk) != (self.number is not None):
            does = f"{task.name} runs once for each shard" if task.chunk else f"{task.name} runs as a whole"
            advice = "give the shard's number (--index)" if task.chunk else "leave out --index and --shards"
            raise SettingsError(does, advice=advice)
        if self.shards is None or self.number is None:
            return self.number
        return self.shards.numbered(self.number)


def stage_in(stored: StoredTask, target: Path, part: Part) -> Handover:
    """Fill the input of a task's block, or of one shard's; give what the save of the output must know.

    The directory may be there, and a mount; then it is empty, or a killed call for the same input has begun
    to fill it.

    :raises TargetConflictError: the directory holds other files; they are untouched.
    :raises StageConflictError: the input has changed since the shards were chosen.
    :raises NotFoundError: a stage that the input is made of is not there.
    """
    task, planner = stored.task, stored.planner
    index = part.index(task)
    root = stored.job.state.store.bucket.local_root
    check_apart(stores=[root] if root else [], input=target)
    try:
        place = _fill(stored, target, part, index)
    except TargetConflictError as error:  # which advises to clear or overwrite, as no step does
        error.advice = "empty it, or give another input directory (--input)"
        raise
    newest = planner.history(place.stage if place else task.name).newest()
    return Handover(
        job=stored.job.key,
        task=task.name,
        job_mode=planner.job_mode,
        newest=newest.revision if newest else 0,
        parents=tuple(stored.parents),
        shard=place,
    )


def _fill(stored: StoredTask, target: Path, part: Part, index: int | None) -> ShardPlace | None:
    """Fill the input; give the place of the shard, if it is one."""
    if index is not None:
        return _fill_shard(stored, target, part.shards, index)
    if stored.task.after:
        stored.restore(target)
    else:
        _make_empty(target)
    return None


def _fill_shard(stored: StoredTask, target: Path, chosen: Chosen | None, index: int) -> ShardPlace:
    whole = stored.stored_input()
    shards = whole.split(stored.task.name, stored.task.chunk)
    if chosen is not None:
        chosen.check(stored.task.name, shards)
    if index >= len(shards):
        raise SettingsError(
            f"there is no shard {index}: the input of {stored.task.name} is cut into {len(shards)} shards",
            advice="count from 0 (--index)",
        )
    shard = shards[index]
    whole.fill(shard, target)
    return ShardPlace(cut=digest_of_cut(shards), index=index, stage=shard.stage, content=shard.content)


def _make_empty(target: Path) -> None:
    """Make the input directory of a task that has no input.

    :raises TargetConflictError: there are files in it.
    """
    with writing_to(target):
        target.mkdir(parents=True, exist_ok=True)
        found = leftovers(target)
    if found:
        raise TargetConflictError(f"{target} holds files, and the task has no input: {some_names(found)}")


def stage_out(
    stored: StoredTask, handover: Handover, output: Path, quicklooks: Path | None, part: Part, **more: Any
) -> Saved:
    """Check a block's output, propagate, and save it as the stage of the task, or of one shard.

    A second call for the same output makes no second revision, and nor does one of two that work on the same
    task at a time: the later one leaves the revision of the other.

    :param handover: what :func:`stage_in` gave.
    :param more: members of :class:`~up42_state.stages.write.save.Save`.
    :raises SettingsError: the handover is of another task or shard.
    :raises InvalidOutputError: the output has defects.
    """
    task, planner = stored.task, stored.planner
    handover.check(job=stored.job.key, task=task.name, job_mode=planner.job_mode)
    handover.check_shard(part.shards.digest if part.shards else "", part.index(task))
    root = stored.job.state.store.bucket.local_root
    check_apart(stores=[root] if root else [], output=output, quicklooks=quicklooks)
    stored.parents = handover.parents
    more["precondition"] = Precondition(seen=handover.newest)
    shard = handover.shard
    if shard is not None:
        return StoredShards(stored).saving(shard.stage, shard.content, output, quicklooks, **more).run()
    return stored.saving(task.name, output, quicklooks, propagations=stored.propagations, **more).run()


def collect(stored: StoredTask, **more: Any) -> Saved:
    """Put the shards of a task together, propagate, and save the task's stage.

    :param more: members of :class:`~up42_state.stages.write.save.Save`.
    :raises SettingsError: the task has no shards.
    :raises StageNotFoundError: a shard of the input is not done.
    """
    task = stored.task
    if not task.chunk:
        raise SettingsError(f"{task.name} runs as a whole", advice="its stage is what stage-out saves")
    shards = stored.stored_input().split(task.name, task.chunk)
    saved = StoredShards(stored)
    parts = saved.find(shards, saved.newest(shards))
    lacking = [shard for shard in shards if shard.stage not in parts]
    if lacking:
        features = [name for shard in lacking for name in shard.features]
        raise StageNotFoundError(
            f"{len(lacking)} of {len(shards)} shards of {task.name} are not done: {some_names(features)}",
            advice="run the shards that `up42-state engine look` names, and collect again",
        )
    return saved.put_together(shards, parts, **more)
