"""What is done of a workflow, what is not, and why: known before anything runs."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

from msgspec.structs import replace as replace_members

from up42_state.block.recipe.command import placeless
from up42_state.errors import EngineError, NotFoundError, SettingsError
from up42_state.propagation import Propagation
from up42_state.stages.format.names import split_stage
from up42_state.stages.format.recipe import Recipe
from up42_state.stages.history import History
from up42_state.stages.write.standing import Standing, standing
from up42_state.workflow.blocks.opening import Blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from up42_state.stage import Stage
    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.propagate.options import EarlierHistories
    from up42_state.stages.store import Store
    from up42_state.state import Job
    from up42_state.workflow.model import Task, Workflow

__all__ = ["Coded", "Planned", "Planner", "plan", "upstream"]

Status = Literal["cached", "runs", "skipped"]

DRY_RUN_ONLY_DATA = "a dry run runs data blocks alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is to happen with a task.

    :param status: ``cached`` if its stage is what it would make, ``runs``, or ``skipped``.
    :param reasons: why it runs or is skipped, for people; none if it is cached.
    :param commit: the current revision of its stage; ``None`` if there is none.
    :param forced: it runs even if it is done.
    """

    task: Task
    status: Status
    reasons: tuple[str, ...] = ()
    commit: Commit | None = None
    forced: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return what is planned as a JSON object."""
        stage = self.commit.name if self.commit else None
        return {"task": self.task.name, "status": self.status, "reasons": list(self.reasons), "stage": stage}


def upstream(task: Task) -> tuple[str, ...]:
    """The tasks, and stages of other jobs, that a task stands on, each once."""
    propagated = (stage for item in task.propagate for stage in item.stages)
    return tuple(dict.fromkeys((*task.after, *propagated)))


def plan(
    workflow: Workflow,
    job: Job,
    *,
    job_mode: JobMode = "DEFAULT",
    force: bool = False,
    since: str = "",
    blocks: Blocks | None = None,
) -> list[Planned]:
    """Tell of every task of a workflow whether it would run in a job, and why; nothing runs.

    :param job_mode: ``DRY_RUN`` leaves out all but data blocks.
    :param force: every task runs.
    :param since: this task runs, and all that stand on it, even if they are done; empty for none.
    :param blocks: opens the tasks' blocks; ``None`` for blocks that run on this machine.
    :raises SettingsError: ``since`` is no task of the workflow.
    :raises StageNotFoundError: a stage of another job does not exist.
    :raises EngineError: images, or an engine for them, are not there.
    """
    with blocks or Blocks(job.state.settings) as opened:
        return Planner(job, opened, job_mode).plan(workflow, force=force, since=since)


class _Newest(dict[str, "Commit | None"]):
    """The newest revisions of stages, by their names, while they are remembered."""

    is_kept = False


class _History(History):
    """A stage whose newest revision is asked for once in a plan: many tasks may stand on it."""

    def __init__(self, store: Store, job: str, stage: str, known: _Newest) -> None:
        super().__init__(store, job, stage)
        self._known = known

    def newest(self) -> Commit | None:
        """Read the newest commit, or give the one that was read before in this plan."""
        if not self._known.is_kept:
            return super().newest()
        if str(self) not in self._known:
            self._known[str(self)] = super().newest()
        return self._known[str(self)]


@contextmanager
def _remembering(known: _Newest) -> Iterator[None]:
    known.is_kept = True
    try:
        yield
    finally:
        known.is_kept = False
        known.clear()


def _places(task: Task) -> dict[str, Path]:
    """The directory that a command runs in, by the name that a recipe has for it."""
    return {"here": task.block.folder} if task.block.folder is not None else {}


class Coded(Protocol):
    """A block, as far as a recipe counts it."""

    @property
    def code(self) -> str:
        """A text that differs where the block's code does."""


class Codes(Protocol):
    """Knows the blocks of tasks."""

    def of(self, task: Task) -> Coded:
        """The block of a task."""


class Planner:
    """Tells what is done of the tasks of one job.

    :param job: holds the stages.
    :param blocks: knows the tasks' blocks, whose code is part of what a task is made of.
    """

    def __init__(self, job: Job, blocks: Codes, job_mode: JobMode = "DEFAULT") -> None:
        self.job = job
        self.job_mode = job_mode
        self._blocks = blocks
        self._newest: _Newest = _Newest()

    def plan(self, workflow: Workflow, *, force: bool = False, since: str = "") -> list[Planned]:
        """Tell of every task whether it would run, and why; nothing runs.

        A task that stands on one that runs is planned to run. It may turn out to be cached: if what it stands
        on is made anew and comes out equal.

        :param force: every task runs.
        :param since: this task runs, and all that stand on it, even if they are done; empty for none.
        :raises SettingsError: ``since`` is no task of the workflow.
        :raises StageNotFoundError: a stage of another job does not exist.
        :raises EngineError: an image cannot be asked for, since no engine is there or answers.
        """
        names = [task.name for task in workflow.tasks]
        if since and since not in names:
            raise SettingsError(
                f"{since} is no task of the workflow {workflow.name}", advice=f"it has {', '.join(names)}"
            )
        self._open_blocks(workflow)
        asked = dict.fromkeys((*names, *(name for task in workflow.tasks for name in upstream(task))))
        with _remembering(self._newest), self.job.state.store.transfers() as transfers:
            list(transfers.map(lambda name: self.history(name).newest(), asked))
            return self._plan(workflow, force=force, since=since)

    def look(self, task: Task, *, force: bool = False) -> Planned:
        """Tell of one task whether it runs, for an engine that knows no more of the workflow.

        :param force: the task runs even if it is done.
        :raises StageNotFoundError: something that the task stands on is not there.
        """
        planned = self._planned(task, [])
        if force and planned.status != "skipped":
            return replace(planned, status="runs", reasons=("it is to run (--force)",), forced=True)
        return planned

    def _open_blocks(self, workflow: Workflow) -> None:
        """Make sure that every block is there before anything runs.

        :raises EngineError: images, or an engine for them, are not there; the message names all.
        """
        problems: dict[str, EngineError] = {}
        for task in workflow.tasks:
            try:
                self._blocks.of(task)
            except EngineError as error:
                problems.setdefault(error.message, error)
        if problems:
            first = next(iter(problems.values()))
            raise EngineError("; ".join(problems), advice=first.advice) from first

    def _plan(self, workflow: Workflow, *, force: bool, since: str) -> list[Planned]:
        planned: dict[str, Planned] = {}
        for task in workflow.tasks:
            before = [planned[name] for name in upstream(task) if name in planned]
            planned[task.name] = self._planned(task, before)
            if planned[task.name].status == "skipped":
                continue
            forcing = [f"{each.task.name} is forced to run" for each in before if each.forced]
            if force or task.name == since:
                forcing = ["all tasks are to run (--force)" if force else "the run begins with it (--from)"]
            if forcing:
                planned[task.name] = replace(
                    planned[task.name], status="runs", reasons=tuple(forcing), forced=True
                )
        return list(planned.values())

    def _planned(self, task: Task, before: list[Planned]) -> Planned:
        if self._is_left_out(task):
            return Planned(task=task, status="skipped", reasons=(DRY_RUN_ONLY_DATA,))
        skipped = [f"{each.task.name} is skipped" for each in before if each.status == "skipped"]
        if skipped:
            return Planned(task=task, status="skipped", reasons=tuple(skipped))
        running = [each for each in before if each.status == "runs"]
        reasons = [f"{each.task.name} runs" for each in running]
        newest = self.history(task.name).newest()
        self._check_other_jobs(task)
        if newest is None or any(not self._is_there(each.task.name) for each in running):
            # What the task stands on is not there to be compared.
            own = ["it was not saved yet"] if newest is None else []
            return Planned(task=task, status="runs", reasons=(*own, *reasons), commit=newest)
        found = self.standing(task)
        reasons = [*found.reasons, *reasons]
        status: Status = "runs" if reasons else "cached"
        return Planned(task=task, status=status, reasons=tuple(reasons), commit=found.commit)

    def _check_other_jobs(self, task: Task) -> None:
        """Make sure that what other jobs are to give is there: no task of this run makes it.

        :raises StageNotFoundError: a stage is not there.
        """
        needed = [
            name for item in task.propagate if item.options.get("missing") != "skip" for name in item.stages
        ]
        for name in (*task.after, *needed):
            if split_stage(name, self.job.key)[0] == self.job.key:
                continue
            try:
                self.history(name).current(self.job_mode)
            except NotFoundError as error:
                raise type(error)(
                    f"{task.name} stands on {name}: {error.message}", advice=error.advice
                ) from error

    def standing(self, task: Task) -> Standing:
        """Tell whether a task is done, now that all that it stands on is there.

        :raises StageNotFoundError: something that the task stands on is not there.
        """
        return standing(
            self.history(task.name),
            self.recipe(task),
            [self.history(name).current(self.job_mode) for name in task.after],
            [self._remembered(item.resolve()) for item in self.propagations(task)],
        )

    def code(self, task: Task) -> str:
        """What tells the code of a task's block apart."""
        return self._blocks.of(task).code

    def recipe(self, task: Task) -> Recipe:
        """What a task's output is made of, besides other stages."""
        return Recipe(
            block=self.code(task),
            command=placeless(task.block.command, places=_places(task)),
            parameters=task.parameters,
            job_mode=self.job_mode,
            split=task.chunk,
        )

    def parents(self, task: Task) -> list[Stage]:
        """The stages that a task's input is made of."""
        return [self.stage(name) for name in task.after]

    def propagations(self, task: Task) -> Iterator[Propagation]:
        """Yield what is merged into a task's output."""
        for item in task.propagate:
            yield Propagation(stages=tuple(map(self.stage, item.stages)), **item.options)

    def stage(self, name: str) -> Stage:
        """The handle of a stage that a document names: a task's, or ``JOB/STAGE``."""
        job, stage = split_stage(name, self.job.key)
        return self.job.state.job(job).stage(stage)

    def history(self, name: str) -> History:
        """The revisions of a stage that a document names."""
        job, stage = split_stage(name, self.job.key)
        return _History(self.job.state.store, job, stage, self._newest)

    def _remembered(self, earlier: EarlierHistories) -> EarlierHistories:
        histories = (self.history(str(history)) for history in earlier.histories)
        return replace_members(earlier, histories=tuple(histories))

    def _is_there(self, name: str) -> bool:
        newest = self.history(name).newest()
        return newest is not None and newest.is_current(self.job_mode)

    def _is_left_out(self, task: Task) -> bool:
        is_data = not task.after if task.manifest is None else task.manifest.type == "data"
        return self.job_mode == "DRY_RUN" and not is_data
