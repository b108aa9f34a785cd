"""A workflow as an engine runs it: each step in its place, with the tests' blocks between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from up42_state.errors import BlockError
from up42_state.workflow.blocks.logs import Log
from up42_state.workflow.blocks.variables import block_environment
from up42_state.workflow.blocks.work import Work
from up42_state.workflow.scratch import Folder
from up42_state.workflow.steps.chosen import Chosen
from up42_state.workflow.steps.handover import Handover
from up42_state.workflow.steps.looking import Look, look
from up42_state.workflow.steps.staging import Part, collect, stage_in, stage_out, stored_task
from up42_state.workflow.steps.text import read_task, write_task

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.blocks import Bodies
    from up42_state.stages.format.commit import JobMode
    from up42_state.stages.write.save import Saved
    from up42_state.state import Job
    from up42_state.workflow.model import Task, Workflow


@dataclass(kw_only=True)
class Engine:
    """Runs tasks by steps, each step on the task's text alone, as in a process of its own.

    :param scratch: where the directories of blocks are made.
    """

    job: Job
    blocks: Bodies
    scratch: Path
    job_mode: JobMode = "DEFAULT"
    looks: dict[str, Look] = field(default_factory=dict)
    steps: int = 0

    def run(self, flow: Workflow, *, force: bool = False) -> dict[str, Look]:
        """Run the tasks that are not done; give what was seen of each."""
        for task in flow.tasks:
            text = write_task(task, self.blocks.of(task).code)
            seen = self.looks[task.name] = self.look(text, force=force)
            if not seen.runs:
                continue
            if task.chunk:
                assert seen.shards is not None
                for number in range(seen.shards.count):
                    self.step(text, Part(Chosen.parse(str(seen.shards)), number))
                collect(stored_task(read_task(text), self.job, self.job_mode))
            else:
                self.step(text, Part())
        return self.looks

    def look(self, text: str, *, force: bool = False) -> Look:
        """The first step."""
        return look(stored_task(read_task(text), self.job, self.job_mode), force=force)

    def step(self, text: str, part: Part) -> Saved:
        """Stage in, run the block, stage out."""
        self.steps += 1
        folder = Folder(self.scratch / str(self.steps)).make()
        handover = folder.root / "handover.json"
        stage_in(stored_task(read_task(text), self.job, self.job_mode), folder.input, part).write(handover)
        task = read_task(text).task
        ending = self.blocks.of(task).run(self._work(task, folder))
        if not ending.is_done:
            raise BlockError(ending.text)
        stored = stored_task(read_task(text), self.job, self.job_mode)
        return stage_out(stored, Handover.read(handover), folder.output, folder.quicklooks, part)

    def _work(self, task: Task, folder: Folder) -> Work:
        environment = block_environment(
            task,
            settings=self.job.state.settings,
            job=self.job.key,
            job_mode=self.job_mode,
            scratch=folder.home,
        )
        return Work(
            job=self.job.key,
            task=task.name,
            attempt=1,
            input=folder.input,
            output=folder.output,
            quicklooks=folder.quicklooks,
            scratch=folder.home,
            log=Log(),
            environment=environment,
        )
