"""Show how the newest runs of jobs stand, and which tasks they did not finish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.cli.output import Table
from up42_state.cli.text import moment, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.cli.common import Common
    from up42_state.stages.lineage import Ancestor
    from up42_state.stages.store import Store
    from up42_state.stages.upkeep.usage import Usage
    from up42_state.state import Job
    from up42_state.workflow.records import DamagedRecord, RunRecord, TaskRecord
    from up42_state.workflow.runs import Runs

__all__ = [
    "job_table",
    "latest_unfinished",
    "lineage_of",
    "newest_runs",
    "run_members",
    "run_of",
    "sorted_usages",
    "tasks_of",
    "unfinished_table",
]

_FINISHED = frozenset(("done", "cached"))


def run_of(job: Job) -> Runs:
    """Return the runs of a job; nothing has been asked of the store yet."""
    from up42_state.workflow.runs import Runs

    return Runs(job.state.store, job.key)


def lineage_of(job: Job, stage: str) -> tuple[list[Ancestor], int]:
    """Return the lineage of a stage or of one revision, or of all stages of a job but for shards.

    :param stage: ``STAGE`` or ``STAGE@REVISION``; empty for the whole job.
    :return: the revisions, and how many further ones were left out.
    :raises NotFoundError: there is no such job, stage or revision.
    :raises IntegrityError: the commit of the revision that was asked for is damaged.
    """
    from up42_state.cli.names import with_revision
    from up42_state.stages.format.names import shard_of
    from up42_state.stages.lineage import lineage

    store = job.state.store
    if not stage:
        return lineage(store, [each for each in job.survey() if not shard_of(each.stage)])
    name, revision = with_revision(stage)
    handle = job.stage(name)
    commit = handle.latest("DRY_RUN") if revision is None else handle.revision(revision)
    return lineage(store, [commit])


def tasks_of(record: RunRecord) -> tuple[TaskRecord, ...]:
    """Return the tasks of a run. Those that ran when the run died are ``dead``."""
    from msgspec.structs import replace

    if record.status() == "running":
        return record.tasks
    return tuple(
        replace(task, status="dead", text="the run died") if task.status == "running" else task
        for task in record.tasks
    )


def latest_unfinished(common: Common, job: Job) -> tuple[str, list[TaskRecord]]:
    """Return the id of a job's newest run, and its tasks that are neither done nor cached.

    A damaged record is a warning: what the store holds of stages is no less true.

    :return: an empty id where no workflow was run.
    """
    from up42_state.workflow.records import DamagedRecord

    record = run_of(job).latest()
    if record is None:
        return "", []
    if isinstance(record, DamagedRecord):
        common.note(f"warning: {record.error.message}")
        return record.key.split("/")[2], []
    return record.run, [task for task in tasks_of(record) if task.status not in _FINISHED]


def sorted_usages(store: Store, jobs: Sequence[str], sort: str) -> list[Usage]:
    """Return what each job takes, sorted by ``name``, by ``time`` or by ``size``.

    A name below which nothing of ours lies is left out: a web console's "folder", or a job that was removed.
    """
    from up42_state.stages.upkeep.usage import usages

    found = [item for item in usages(store, jobs) if item.objects]
    if sort == "time":
        found.sort(key=lambda item: item.last.timestamp() if item.last else 0.0, reverse=True)
    elif sort == "size":
        found.sort(key=lambda item: item.bytes, reverse=True)
    return found


def newest_runs(store: Store, jobs: Sequence[Usage]) -> list[RunRecord | DamagedRecord | None]:
    """Return the newest run of each job, side by side."""
    from up42_state.workflow.runs import Runs

    def newest(job: Usage) -> RunRecord | DamagedRecord | None:
        return Runs(store, job.job).read(job.run) if job.run else None

    with store.transfers() as transfers:
        return list(transfers.map(newest, jobs))


def run_members(run: RunRecord | DamagedRecord | None) -> dict[str, Any] | None:
    """Return a run as JSON types, without its tasks."""
    from up42_state.workflow.records import RunRecord

    if not isinstance(run, RunRecord):
        return None if run is None else run.to_dict()
    members = {name: value for name, value in run.to_dict().items() if name not in {"tasks", "writer"}}
    return members | {"status": run.status()}


def job_table(jobs: Sequence[Usage], runs: Sequence[RunRecord | DamagedRecord | None]) -> Table:
    """Return a table with a job, what it takes, and its newest run a row."""
    rows = [
        (
            *(job.job, job.stages, size(job.bytes), moment(job.last_save) if job.last_save else ""),
            *_run_row(run),
        )
        for job, run in zip(jobs, runs, strict=True)
    ]
    columns = ("job", "stages", "size", "last save", "status", "run", "workflow", "start", "reason")
    return Table(columns=columns, rows=rows, right=frozenset({"stages", "size"}))


def _run_row(run: RunRecord | DamagedRecord | None) -> tuple[str, ...]:
    from up42_state.workflow.records import RunRecord

    if run is None:
        return ("", "", "", "", "")
    if not isinstance(run, RunRecord):
        return ("damaged", "", "", "", run.error.message)
    return (run.status(), run.run, run.workflow, moment(run.start) if run.start else "", run.text)


def unfinished_table(run: str, tasks: Sequence[TaskRecord], *, prefix: str = "") -> Table:
    """Return a table of tasks without an output, or with another than they are to have.

    :param prefix: ``JOB/`` where names are to be read back with it.
    """
    return Table(
        columns=("task", "status", "run", "reason"),
        rows=[(prefix + task.task, task.status, run, task.text or task.why) for task in tasks],
    )
