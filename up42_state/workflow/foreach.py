"""A task whose block runs once for each shard of its input (``foreach: feature``)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from up42_state.stages.format.names import some_names
from up42_state.stages.propagate.merged_output import EarlierStage
from up42_state.stages.write.publish import Precondition
from up42_state.workflow.shards.inputs import RestoredInput
from up42_state.workflow.shards.stored import StoredShards
from up42_state.workflow.task import RunningTask, TaskOutcome
from up42_state.workflow.units import ShardUnits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from up42_state.stages.format.commit import Commit
    from up42_state.stages.write.save import Saved
    from up42_state.workflow.attempt import Outcome
    from up42_state.workflow.scratch import Folder
    from up42_state.workflow.shards.cut import Shard
    from up42_state.workflow.shards.inputs import WholeInput

__all__ = ["SplitTask"]

_NAMED = 3  # failed shards in a message


class SplitTask(RunningTask):
    """A task whose block runs once for each shard of the input."""

    def run(self) -> TaskOutcome:
        """Split the input, run the shards that are not done, and put together what all of them made."""
        folder = self.context.scratch.folder(f"{self.task.name}.whole")
        try:
            whole = self._input(folder)
            self._units = ShardUnits(self.planner, self.task, whole, self.parents)
            self._shards = StoredShards(self)
            _ = self._units.nearby  # read before there are threads
            shards = whole.split(self.task.name, self.task.chunk)
            newest = self._shards.newest(shards)
            parts = {} if self.forced else self._shards.find(shards, newest)
            counts = (len(parts), len(shards))
            self.context.emit("started", self.task.name, attempt=1, reason=self.why, shards=counts)
            outcomes = self._run_all(shards, parts, newest)
            made = [each.last.saved for each in outcomes.values() if each.last and each.last.saved]
            parts |= {part.name: part for saved in made if (part := self._part(saved)) is not None}
            parts |= self._shards.read(saved.commit for saved in made if saved.contents is None)
            return self._put_together(shards, parts, outcomes)
        finally:
            with suppress(OSError):  # the run's directory is removed at its end
                folder.remove()

    def _input(self, folder: Folder) -> WholeInput:
        """The input, of which no file is fetched where the shards run elsewhere."""
        if self.context.elsewhere is not None:
            return self.stored_input()
        self.restore(folder.input)
        # A function runs in this machine's own directories: it could change what other shards read.
        return RestoredInput(whole=folder.input, linked=self.task.block.kind != "python")

    def _part(self, saved: Saved) -> EarlierStage | None:
        """A shard that was saved in this run, without reading it again."""
        if saved.contents is None:
            return None
        return EarlierStage(store=self.job.state.store, contents=saved.contents, data=saved.contents.data)

    def _run_all(
        self, shards: Sequence[Shard], parts: Mapping[str, EarlierStage], newest: Mapping[str, Commit]
    ) -> Mapping[str, Outcome]:
        """Run the shards that are not done, side by side; after a failure begin none, if the run stops then.

        :param parts: the shards that are done.
        :param newest: the newest revisions of those that have any.
        """
        context, task = self.context, self.task
        waiting = [shard for shard in shards if shard.stage not in parts]
        done, counting = len(parts), threading.Lock()

        def run(shard: Shard) -> Outcome:
            nonlocal done
            seen = newest[shard.stage].revision if shard.stage in newest else 0
            outcome = context.perform(self._units.unit(shard, why=self.why, seen=seen))
            if outcome.status == "failed" and not context.keep_going:
                context.halt.set()
            with counting:
                done += outcome.status == "done"
                if outcome.last is not None:
                    why = outcome.reason if outcome.status == "failed" else ""
                    counts = (done, len(shards))
                    context.emit("shard", task.name, shard=shard.stage, reason=why, shards=counts)
            return outcome

        workers = max(1, min(len(waiting), context.side_by_side(task.resources)))
        with ThreadPoolExecutor(workers) as pool:
            return dict(zip((shard.stage for shard in waiting), pool.map(run, waiting), strict=True))

    def _put_together(
        self,
        shards: Sequence[Shard],
        parts: Mapping[str, EarlierStage],
        outcomes: Mapping[str, Outcome],
    ) -> TaskOutcome:
        """Save the task's stage from its shards, if all are there or the run keeps going."""
        lacking = [shard for shard in shards if shard.stage not in parts]
        failed = [shard for shard in lacking if outcomes[shard.stage].status == "failed"]
        facts: dict[str, Any] = {"task": self.task.name, "shards": (len(shards) - len(lacking), len(shards))}
        if lacking and (len(failed) < len(lacking) or not self.context.keep_going or not parts):
            status: Literal["failed", "stopped"] = "failed" if failed else "stopped"
            return TaskOutcome(
                status=status,
                reason=_failures(failed, shards, outcomes) or "the run was stopped",
                last=outcomes[failed[0].stage].last if failed else None,
                **facts,
            )
        missing = tuple(name for shard in failed for name in shard.features)
        saved = self._shards.put_together(
            shards, parts, missing=missing, precondition=Precondition(seen=self.seen)
        )
        for text in saved.all_warnings:
            self.context.emit("step", self.task.name, reason=f"warning: {text}")
        return TaskOutcome(
            status="partial" if failed else "done",
            reason=_failures(failed, shards, outcomes),
            commit=saved.commit,
            last=outcomes[failed[0].stage].last if failed else None,
            missing=missing,
            warnings=saved.all_warnings,
            **facts,
        )


def _failures(failed: Sequence[Shard], shards: Sequence[Shard], outcomes: Mapping[str, Outcome]) -> str:
    """Say which shards failed, and why."""
    if not failed:
        return ""
    named = [f"{some_names(shard.features)}: {outcomes[shard.stage].reason}" for shard in failed[:_NAMED]]
    more = "; …" if len(failed) > _NAMED else ""
    return f"{len(failed)} of {len(shards)} shards failed: {'; '.join(named)}{more}"
