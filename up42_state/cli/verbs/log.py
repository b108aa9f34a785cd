"""``log``: what a run of a workflow did and why, what its blocks printed, what stages were made from."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import names, options
from up42_state.cli.commits import lineage_table
from up42_state.cli.output import Table, facts, print_result, write_bytes
from up42_state.cli.runs import lineage_of, run_of, tasks_of
from up42_state.cli.text import moment, plain, size
from up42_state.errors import JobNotFoundError, NotFoundError
from up42_state.secrets.redaction import without_secrets
from up42_state.units import lasting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.cli.common import Common
    from up42_state.stages.lineage import Ancestor
    from up42_state.state import Job
    from up42_state.workflow.records import AttemptRecord, DamagedRecord, RunRecord
    from up42_state.workflow.runs import Runs

__all__ = ["log"]

_NAMED = 3  # failed shards in a note


@click.command()
@click.argument("what", metavar="[JOB[/STAGE]]", required=False, shell_complete=options.completed("names"))
@options.job
@click.option("--lineage", "only_lineage", is_flag=True, help="What stages were made from, and no run.")
@click.option("--run", "run_id", metavar="ID", help="Not the newest run, but this one.")
@click.option(
    "--attempt", type=click.IntRange(min=1), metavar="N", help="Not the last attempt at a task, but this one."
)
@options.shared
@click.pass_obj
def log(
    common: Common,
    what: str | None,
    job: str | None,
    run_id: str | None,
    attempt: int | None,
    *,
    only_lineage: bool,
) -> None:
    """Show what a run did and why, lineage, and what a task printed.

    JOB shows the newest run of a workflow in a job, with its tasks and each attempt at them, and the lineage
    of the job's stages. JOB/STAGE prints the log of the last attempt at this task, or at a shard of one, and
    JOB/STAGE@REVISION that of the attempt which made a revision; of a stage that no run made, and with
    --lineage of any, it shows the lineage. With --job, STAGE is enough.
    """
    found = names.one_chosen(common, what, job=job)
    task, runs = _task(found), run_of(found.job)
    if only_lineage:
        if run_id or attempt:
            raise click.UsageError("--lineage is about stages, not about a run or an attempt")
        _print_lineage(common, lineage_of(found.job, task))
    elif task:
        _print_task(common, found.job, task, run_id or "", attempt)
    elif attempt is not None:
        raise click.UsageError("--attempt needs a task: JOB/TASK")
    else:
        _print_job(common, found.job, runs, run_id)


def _print_job(common: Common, job: Job, runs: Runs, run_id: str | None) -> None:
    """Print a run, and the lineage of the job's stages, unless one run was asked for."""
    ids = runs.list()
    if run_id:
        _print_run(common, runs, run_id, ids)
        return
    try:
        made = lineage_of(job, "")
    except JobNotFoundError:
        if not ids:
            raise
        made = ([], 0)
    if ids:
        _print_run(common, runs, ids[-1], ids, made)
    else:
        _print_lineage(common, made, {"job": job.key, "run": None, "runs": []})


def _print_task(common: Common, job: Job, task: str, run_id: str, attempt: int | None) -> None:
    """Print the log of a task; of a stage that was saved without a run, its lineage."""
    try:
        _print_log(common, run_of(job), task, run_id, attempt)
    except NotFoundError as no_attempt:
        if run_id or attempt:
            raise
        try:
            made = lineage_of(job, task)
        except NotFoundError:
            if run_of(job).list():
                raise no_attempt from None
            raise  # by the name of what is missing: the store, the job or the stage
        common.note(plain(f"no run made {job.key}/{task}: this is its lineage"))
        _print_lineage(common, made)


def _print_lineage(
    common: Common, made: tuple[list[Ancestor], int], members: dict[str, Any] | None = None
) -> None:
    """Print revisions and what they stand on. Of a damaged one its row says so."""
    found, _ = made
    if not found:
        common.note("there are no stages")
    value = (members or {}) | {"lineage": [each.to_dict() for each in found]}
    print_result(common, value, lineage_table(found))
    _tell_left_out(common, made)


def _tell_left_out(common: Common, made: tuple[list[Ancestor], int]) -> None:
    if made[1]:
        common.note(f"warning: the lineage goes on: {len(made[0])} revisions are shown, the nearest ones")


def _task(found: names.Chosen) -> str:
    """Return the task as runs know it, with the revision of its stage where one is named; empty for a job."""
    if found.stage is None:
        return ""
    name = found.stage.name
    return name if found.revision is None else f"{name}@{found.revision}"


def _print_run(
    common: Common,
    runs: Runs,
    run: str,
    ids: Sequence[str],
    made: tuple[list[Ancestor], int] | None = None,
) -> None:
    """Print one run: the run, its tasks, and the attempts at them.

    :param made: the lineage that is shown after it.
    :raises IntegrityError: a record is damaged; the others are printed.
    """
    from msgspec.structs import replace

    from up42_state.cli.watching.summary import task_table
    from up42_state.workflow.records import DamagedRecord

    record = runs.find(run)
    attempts = runs.attempts(run)
    damaged = [item for item in (record, *attempts) if isinstance(item, DamagedRecord)]
    sound = [item for item in attempts if not isinstance(item, DamagedRecord)]
    if isinstance(record, DamagedRecord) or record.status() != "running":
        sound = [replace(item, outcome="dead") if item.outcome == "running" else item for item in sound]
    members: dict[str, Any] = {"job": runs.job, "run": run}
    tables = []
    if not isinstance(record, DamagedRecord):
        tasks = tasks_of(record)
        members = record.to_dict() | {"status": record.status(), "tasks": [task.to_dict() for task in tasks]}
        tables += [_facts(record, ids), task_table(tasks)]
    members["attempts"] = [item.to_dict() for item in sound]
    members["runs"] = list(ids)
    members["damaged"] = [item.to_dict() for item in damaged]
    rows = [(item.key, item.error.message) for item in damaged]
    tables.append(_attempt_table(sound))
    if made is not None:
        members["lineage"] = [each.to_dict() for each in made[0]]
        tables.append(lineage_table(made[0]))
        _tell_left_out(common, made)
    tables.append(Table(columns=("damaged", "problem"), rows=rows))
    print_result(common, members, *tables)
    if damaged:
        raise damaged[0].error


def _facts(record: RunRecord, ids: Sequence[str]) -> Table:
    from up42_state.stages.format.names import some_names

    earlier = [run for run in reversed(ids) if run < record.run]
    lasted = (record.end - record.start).total_seconds() if record.start and record.end else None
    return facts(
        {
            "run": record.run,
            "workflow": record.workflow,
            "status": record.status(),
            "reason": record.text,
            "start": moment(record.start) if record.start else "",
            "time": "" if lasted is None else lasting(lasted),
            "host": f"{record.host} (process {record.pid})" if record.host else "",
            "warnings": "; ".join(record.warnings),
            "earlier runs": some_names(earlier),
        }
    )


def _attempt_table(attempts: Sequence[AttemptRecord]) -> Table:
    columns = ("attempt", "outcome", "exit", "start", "time", "memory", "log", "made", "why", "what happened")
    return Table(
        columns=columns,
        rows=[_attempt_row(item) for item in attempts],
        right=frozenset({"exit", "time", "memory", "log"}),
    )


def _attempt_row(item: AttemptRecord) -> tuple[object, ...]:
    lasted = (item.end - item.start).total_seconds() if item.start and item.end else None
    return (
        f"{item.name} {item.attempt}",
        item.outcome,
        "" if item.exit_code is None else item.exit_code,
        moment(item.start) if item.start else "",
        "" if lasted is None else lasting(lasted),
        "" if item.peak_memory is None else size(item.peak_memory),
        size(item.log_bytes) if item.log_bytes else "",
        item.stage,
        item.why,
        _what_happened(item),
    )


def _what_happened(item: AttemptRecord) -> str:
    """Return what happened; of a task in shards that has nothing to say, how many came to what."""
    counts = Counter(shard.outcome for shard in item.shards)
    shards = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    text = item.text or (f"shards: {shards}" if shards else "")
    return "; ".join(filter(None, (text, *(f"warning: {each}" for each in item.warnings))))


def _print_log(common: Common, runs: Runs, task: str, run: str, attempt: int | None) -> None:
    """Print what an attempt printed; what is known of the attempt goes to stderr.

    :raises IntegrityError: the attempt's record is damaged; the log is printed.
    """
    from up42_state.workflow.records import DamagedRecord

    if run:
        runs.find(run)
    found, task, last = runs.last_attempt(task, run)
    number = last if attempt is None else attempt
    record = runs.attempt(found, task, number)
    data = runs.log(found, task, number)
    if common.json:
        known = record.to_dict()
        print_result(common, {"record": known, "log": data.decode(errors="replace")})
    else:
        _note(common, record, found, task, number)
        text = without_secrets(data.decode(errors="surrogateescape"))
        write_bytes([text.encode(errors="surrogateescape")])
    if isinstance(record, DamagedRecord):
        raise record.error


def _note(common: Common, record: AttemptRecord | DamagedRecord, run: str, task: str, number: int) -> None:
    """Say on stderr which attempt it is, and what became of it."""
    from up42_state.workflow.records import DamagedRecord

    said = [f"attempt {number} at {task} in run {run}"]
    if isinstance(record, DamagedRecord):
        common.note(plain(said[0]))
        return
    silent = "" if record.log_bytes else "; it printed nothing"
    common.note(plain(": ".join(filter(None, (*said, record.outcome, record.text))) + silent))
    failed = [shard.shard for shard in record.shards if shard.outcome == "failed"]
    for shard in failed[:_NAMED]:
        common.note(plain(f"of this shard alone: up42-state log {record.job}/{shard}"))
