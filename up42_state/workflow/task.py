"""One task of a run: its input, its attempts, its saved stage; and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from up42_state.block.inputs import Inputs
from up42_state.stages.format.commit import BlockInfo
from up42_state.stages.write.publish import Precondition
from up42_state.stages.write.save import Save
from up42_state.workflow.attempt import Unit
from up42_state.workflow.shards.inputs import StoredInput

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from up42_state.stages.format.commit import Commit, Parent
    from up42_state.stages.propagate.options import EarlierHistories
    from up42_state.stages.write.save import Saved
    from up42_state.workflow.attempt import Attempt, Context
    from up42_state.workflow.model import Task
    from up42_state.workflow.planner import Planner
    from up42_state.workflow.scratch import Folder

__all__ = ["RunningTask", "StoredTask", "TaskOutcome", "WholeTask"]

Status = Literal["cached", "done", "partial", "failed", "skipped", "stopped"]


@dataclass(frozen=True, kw_only=True)
class TaskOutcome:
    """What came of a task in a run.

    :param status: ``cached`` (its stage is what it would make), ``done``, ``partial`` (some of its shards
        failed), ``failed``, ``skipped``, or ``stopped`` (the run was ended).
    :param reason: why it failed, was skipped or stopped, for people.
    :param commit: the revision that the task's stage has now; ``None`` if the task gave none.
    :param last: the last attempt, of a task in shards the first failed shard's; ``None`` without any.
    :param shards: shards done, and in all; ``None`` for a task that is not split.
    :param missing: features of the input whose shards failed.
    :param warnings: what should be looked at in the stage that was put together from shards.
    :param is_left_out: it was skipped as the plan said: a dry run leaves it out.
    """

    task: str
    status: Status
    reason: str = ""
    commit: Commit | None = None
    seconds: float = 0.0
    last: Attempt | None = None
    shards: tuple[int, int] | None = None
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    is_left_out: bool = False

    @property
    def is_usable(self) -> bool:
        """True if tasks that stand on this one can run."""
        return self.status in ("cached", "done", "partial")

    def __repr__(self) -> str:
        made = f", {self.commit.name}" if self.commit else ""
        return f"TaskOutcome({self.task}: {self.status}{made})"

    def to_dict(self) -> dict[str, Any]:
        """Return the outcome as a JSON object."""
        ending = self.last.ending if self.last else None
        return {
            "task": self.task,
            "status": self.status,
            "reason": self.reason,
            "stage": self.commit.name if self.commit else None,
            "seconds": round(self.seconds, 3),
            "attempts": self.last.number if self.last else 0,
            "exit_code": ending.exit_code if ending else None,
            "signal": ending.signal if ending else None,
            "shards": list(self.shards) if self.shards else None,
            "missing": list(self.missing),
        }


class StoredTask:
    """A task as it stands in the store: its input is restored from there, its output is saved there.

    :param planner: knows the job, and what the task's output is made of.
    """

    def __init__(self, planner: Planner, task: Task) -> None:
        self.planner = planner
        self.task = task
        self.job = planner.job
        self.parents: Sequence[Parent] = ()  # the revisions that the input is made of

    def restore(self, target: Path) -> Sequence[Commit]:
        """Restore the input into a directory; give the revisions that it is made of."""
        stages = self.planner.parents(self.task)
        if not stages:
            return ()
        commits = Inputs(stages=stages, target=target, job_mode=self.planner.job_mode).restore().commits
        self.parents = [commit.as_parent() for commit in commits]
        return commits

    def stored_input(self) -> StoredInput:
        """Read what the input is made of, where it lies in the store; none of its files is fetched."""
        found = StoredInput.read(self.planner.parents(self.task), self.planner.job_mode)
        self.parents = [commit.as_parent() for commit in found.commits]
        return found

    def saving(self, stage: str, output: Path, quicklooks: Path | None, **more: Any) -> Save:
        """The save of a stage: what the task's own and its shards' have in common."""
        planner, task = self.planner, self.task
        manifest = task.manifest
        return Save(
            store=self.job.state.store,
            job=self.job.key,
            stage=stage,
            output=output,
            quicklooks=quicklooks,
            parents=tuple(self.parents),
            block=BlockInfo(name=manifest.name if manifest else task.name.rpartition(":")[0] or task.name),
            recipe=planner.recipe(task),
            **more,
        )

    @property
    def propagations(self) -> tuple[EarlierHistories, ...]:
        """What is merged into the output, resolved."""
        return tuple(item.resolve() for item in self.planner.propagations(self.task))

    @property
    def input_bytes(self) -> int:
        """How many bytes the input takes."""
        mode = self.planner.job_mode
        return sum(stage.latest(mode).totals.bytes for stage in self.planner.parents(self.task))


class RunningTask(StoredTask):
    """A task that runs: what whole and split tasks have in common.

    :param why: why it runs, for people.
    :param forced: it runs even if it is done, and so do its shards.
    :param seen: the number of its stage's newest revision when it was found that the task has to run.
    """

    def __init__(self, context: Context, task: Task, *, why: str, forced: bool, seen: int) -> None:
        super().__init__(context.planner, task)
        self.context = context
        self.why = why
        self.forced = forced
        self.seen = seen


class WholeTask(RunningTask):
    """A task whose block runs once, on the whole input."""

    def run(self) -> TaskOutcome:
        """Make attempts until the output is saved, or no attempt is left."""
        outcome = self.context.perform(self.unit())
        saved = outcome.last.saved if outcome.last else None
        return TaskOutcome(
            task=self.task.name,
            status=outcome.status,
            reason=outcome.reason,
            commit=saved.commit if saved else None,
            last=outcome.last,
        )

    def unit(self) -> Unit:
        """What is run."""
        return Unit(
            task=self.task,
            stage=self.task.name,
            why=self.why,
            fill=lambda folder: self.restore(folder.input),
            save=self._save,
            seen=self.seen,
            disk=self.input_bytes,
        )

    def _save(self, folder: Folder) -> Saved:
        return self.saving(
            self.task.name,
            folder.output,
            folder.quicklooks,
            propagations=self.propagations,
            precondition=Precondition(seen=self.seen),
        ).run()
