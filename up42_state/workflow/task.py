"""One task of a run, from the question whether it is done to its saved stage."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from up42_state.block.inputs import FilledInput, Inputs
from up42_state.errors import IntegrityError, NotFoundError, StateError
from up42_state.stages.format.commit import BlockInfo
from up42_state.stages.format.parameters import mask_secrets
from up42_state.stages.format.recipe import fingerprint
from up42_state.stages.propagate.merged_output import EarlierStage
from up42_state.stages.write.save import Save
from up42_state.workflow.attempt import Outcome, Unit, run_unit
from up42_state.workflow.shards import split

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from up42_state.stages.format.commit import Commit
    from up42_state.stages.write.save import Saved
    from up42_state.workflow.attempt import Attempt, Context
    from up42_state.workflow.model import Task
    from up42_state.workflow.plan import Planned
    from up42_state.workflow.scratch import Folder
    from up42_state.workflow.shards import Shard

__all__ = ["TaskOutcome", "run_task"]

Status = Literal["cached", "done", "partial", "failed", "skipped", "stopped"]

_NAMED = 3  # failed shards in a message


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
    """

    task: str
    status: Status
    reason: str = ""
    commit: Commit | None = None
    seconds: float = 0.0
    last: Attempt | None = None
    shards: tuple[int, int] | None = None
    missing: tuple[str, ...] = ()

    @property
    def is_usable(self) -> bool:
        """True if tasks that stand on this one can run."""
        return self.status in ("cached", "done", "partial")

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


def run_task(context: Context, planned: Planned) -> TaskOutcome:
    """Run a task, if it is not done; everything that the task stands on is there.

    :return: what came of it, also if it failed.
    """
    start = time.monotonic()
    task = planned.task
    try:
        outcome = _run(context, planned)
    except StateError as error:
        outcome = TaskOutcome(task=task.name, status="failed", reason=str(error))
    return _told(context, task, outcome, time.monotonic() - start)


def _run(context: Context, planned: Planned) -> TaskOutcome:
    task = planned.task
    why = planned.reasons
    if not planned.forced:
        # What the task stands on may have been made anew since the plan, and have come out equal.
        found = context.planner.standing(task)
        if found.is_done:
            return TaskOutcome(task=task.name, status="cached", commit=found.commit)
        why = tuple(found.reasons)
    kind = _Sharded if task.chunk else _Whole
    return kind(context, task, "; ".join(why)).run()


def _told(context: Context, task: Task, outcome: TaskOutcome, seconds: float) -> TaskOutcome:
    """Tell what came of a task, and give it with the time that the task took."""
    commit, last = outcome.commit, outcome.last
    ending = last.ending if last else None
    kind = "failed" if outcome.status == "partial" else outcome.status
    context.emit(
        kind,
        task.name,
        reason=outcome.reason,
        attempt=last.number if last else 0,
        stage=commit.name if commit else "",
        features=commit.totals.features if commit else None,
        bytes=commit.totals.bytes if commit else None,
        seconds=round(seconds, 3),
        peak_memory=ending.peak_memory if ending else None,
        exit_code=ending.exit_code if ending else None,
        shards=outcome.shards,
    )
    return replace(outcome, seconds=seconds)


class _Running:
    """A task that runs: what whole and split tasks have in common.

    :param why: why it runs, for people.
    """

    def __init__(self, context: Context, task: Task, why: str) -> None:
        self.context = context
        self.task = task
        self.why = why
        self.job = context.planner.job
        self.filled = FilledInput(commits=[])

    def restore(self, folder: Folder) -> None:
        """Restore the input."""
        parents = self.context.planner.parents(self.task)
        if parents:
            inputs = Inputs(stages=parents, target=folder.input, job_mode=self.context.planner.job_mode)
            self.filled = inputs.restore()

    def saving(self, stage: str, folder: Folder, **more: Any) -> Save:
        """The save of a stage: what the task's own and its shards' have in common."""
        planner, task = self.context.planner, self.task
        manifest = task.manifest
        return Save(
            store=self.job.state.store,
            job=self.job.key,
            stage=stage,
            output=folder.output,
            quicklooks=folder.quicklooks,
            parents=tuple(commit.as_parent() for commit in self.filled.commits),
            block=BlockInfo(name=manifest.name if manifest else task.name.rpartition(":")[0] or task.name),
            parameters=mask_secrets(task.parameters),
            recipe=planner.recipe(task),
            job_mode=planner.job_mode,
            **more,
        )

    @property
    def propagations(self) -> tuple[Any, ...]:
        """What is merged into the output, resolved."""
        return tuple(item.resolve() for item in self.context.planner.propagations(self.task))

    @property
    def input_bytes(self) -> int:
        """How many bytes the input takes."""
        mode = self.context.planner.job_mode
        return sum(stage.latest(mode).totals.bytes for stage in self.context.planner.parents(self.task))


class _Whole(_Running):
    """A task whose block runs once, on the whole input."""

    def run(self) -> TaskOutcome:
        unit = Unit(
            task=self.task,
            stage=self.task.name,
            why=self.why,
            fill=self.restore,
            save=self._save,
            disk=self.input_bytes,
        )
        outcome = run_unit(self.context, unit)
        saved = outcome.last.saved if outcome.last else None
        return TaskOutcome(
            task=self.task.name,
            status=outcome.status,
            reason=outcome.reason,
            commit=saved.commit if saved else None,
            last=outcome.last,
        )

    def _save(self, folder: Folder) -> Saved:
        return self.saving(self.task.name, folder, propagations=self.propagations).run()


class _Sharded(_Running):
    """A task whose block runs once for each shard of the input."""

    def run(self) -> TaskOutcome:
        folder = self.context.scratch.folder(f"{self.task.name}.whole")
        try:
            self.restore(folder)
            shards = split(self.task.name, folder.input, self.task.chunk)
            parts = self._parts_there(shards)
            outcomes = self._run_all([shard for shard in shards if shard.stage not in parts], folder)
            made = [each.last.saved.commit for each in outcomes.values() if each.last and each.last.saved]
            parts |= self._read(made)
            return self._put_together(folder, shards, parts, outcomes)
        finally:
            folder.remove()

    def _parts_there(self, shards: Sequence[Shard]) -> dict[str, EarlierStage]:
        """Read the shards that are done, by their stages."""
        wanted = {shard.stage: self._fingerprint(shard) for shard in shards}

        def look(name: str) -> Commit | None:
            newest = self.context.planner.history(name).newest()
            is_done = newest and not newest.removed and newest.fingerprint == wanted[name]
            return newest if is_done else None

        there = [name for name in self.job.state.store.stages(self.job.key) if name in wanted]
        with self.job.state.store.transfers() as transfers:
            found = [commit for commit in transfers.map(look, there) if commit is not None]
        return self._read(found, is_strict=False)

    def _read(self, commits: Iterable[Commit], *, is_strict: bool = True) -> dict[str, EarlierStage]:
        """Read shards, by their stages.

        :param is_strict: a shard whose bytes are gone or damaged is an error; otherwise it is left out.
        """
        store = self.job.state.store

        def read(commit: Commit) -> EarlierStage | None:
            try:
                return EarlierStage.read(store, commit)
            except (NotFoundError, IntegrityError):
                if is_strict:
                    raise
                return None

        with store.transfers() as transfers:
            return {part.name: part for part in transfers.map(read, list(commits)) if part is not None}

    def _fingerprint(self, shard: Shard) -> str:
        """The digest of what determines a shard's output, in which the whole input has no part."""
        recipe = self.context.planner.recipe(self.task)
        return fingerprint(recipe.components([("", shard.content)]))

    def _run_all(self, shards: Sequence[Shard], whole: Folder) -> Mapping[str, Outcome]:
        """Run shards side by side; after a failure none is begun, unless the run keeps going."""
        context, task = self.context, self.task

        def run(shard: Shard) -> Outcome:
            outcome = run_unit(context, self._unit(shard, whole))
            if outcome.status == "failed" and not context.keep_going:
                context.halt.set()
            return outcome

        workers = max(1, min(len(shards), context.budget.side_by_side(task.resources.cpus)))
        with ThreadPoolExecutor(workers) as pool:
            return dict(zip((shard.stage for shard in shards), pool.map(run, shards), strict=True))

    def _unit(self, shard: Shard, whole: Folder) -> Unit:
        def save(folder: Folder) -> Saved:
            return self.saving(shard.stage, folder, fingerprint=self._fingerprint(shard)).run()

        return Unit(
            task=self.task,
            stage=shard.stage,
            why=self.why,
            fill=lambda folder: shard.fill(folder, whole.input),
            save=save,
        )

    def _put_together(
        self,
        folder: Folder,
        shards: Sequence[Shard],
        parts: Mapping[str, EarlierStage],
        outcomes: Mapping[str, Outcome],
    ) -> TaskOutcome:
        """Save the task's stage from its shards, if all are there or the run keeps going."""
        lacking = [shard for shard in shards if shard.stage not in parts]
        failed = [shard for shard in lacking if outcomes[shard.stage].status == "failed"]
        facts: dict[str, Any] = {"task": self.task.name, "shards": (len(shards) - len(lacking), len(shards))}
        if lacking and (len(failed) < len(lacking) or not self.context.keep_going or not parts):
            status: Status = "failed" if failed else "stopped"
            return TaskOutcome(
                status=status,
                reason=_failures(failed, shards, outcomes) or "the run was stopped",
                last=outcomes[failed[0].stage].last if failed else None,
                **facts,
            )
        missing = tuple(name for shard in failed for name in shard.features)
        saved = self.saving(
            self.task.name,
            folder,
            propagations=self.propagations,
            parts=[parts[shard.stage] for shard in shards if shard.stage in parts],
            missing=missing,
        ).run()
        return TaskOutcome(
            status="partial" if failed else "done",
            reason=_failures(failed, shards, outcomes),
            commit=saved.commit,
            last=outcomes[failed[0].stage].last if failed else None,
            missing=missing,
            **facts,
        )


def _failures(failed: Sequence[Shard], shards: Sequence[Shard], outcomes: Mapping[str, Outcome]) -> str:
    """Say which shards failed, and why."""
    if not failed:
        return ""
    named = [f"{', '.join(shard.features)}: {outcomes[shard.stage].reason}" for shard in failed[:_NAMED]]
    more = "; …" if len(failed) > _NAMED else ""
    return f"{len(failed)} of {len(shards)} shards failed: {'; '.join(named)}{more}"
