"""``verify``, ``rm`` and ``prune``: look after a store."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import names, options
from up42_state.cli.output import Table, facts, print_result
from up42_state.cli.text import plain, size
from up42_state.errors import IntegrityError, SettingsError, StateError
from up42_state.units import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from up42_state.cli.common import Common
    from up42_state.stage import Stage
    from up42_state.stages.upkeep.prune import Pruned
    from up42_state.stages.upkeep.verify import Verified
    from up42_state.state import Job, State

__all__ = ["prune", "rm", "verify"]


@click.command()
@click.argument(
    "what", metavar="[[JOB/]STAGE[@N]|JOB[/]]...", nargs=-1, shell_complete=options.completed("names")
)
@options.job
@click.option(
    "--stage",
    metavar="[JOB/]STAGE",
    shell_complete=options.completed("stages"),
    help="Only this stage; every stage of the job without it.",
)
@options.revision
@options.shared
@click.pass_obj
def verify(
    common: Common, what: tuple[str, ...], job: str | None, stage: str | None, revision: int | None
) -> None:
    """Compare every saved byte with its digest.

    Prints what is damaged and what cannot be restored because of it; the exit code is 6 if anything is.
    """
    found = names.chosen(common, what, job=job, stage=stage, revision=revision)
    verified: list[Verified] = []
    with common.progress("verifying") as progress:
        for each in found:
            if each.stage is None:
                verified += each.job.verify(progress)
            else:
                verified.append(each.stage.verify(each.revision, progress))
    tables = (_verified(verified, with_jobs=bool(what)), _damage(verified))
    print_result(common, [item.to_dict() for item in verified], *tables)
    damaged = sum(len(item.damage) for item in verified)
    if damaged:
        raise IntegrityError(
            f"{damaged} damaged object{'s' if damaged > 1 else ''} found",
            advice="restore them from a backup; restore --partial gives what is undamaged",
        )


def _verified(verified: Sequence[Verified], *, with_jobs: bool) -> Table:
    """Return a table of what was read.

    :param with_jobs: names are printed with their jobs, as they were given.
    """
    columns = ("stage", "revision", "objects", "size", "result")
    rows = [
        (
            names.written(f"{item.job}/{item.stage}" if with_jobs else item.stage, item.revision),
            *(item.revision, item.objects, size(item.bytes), "intact" if item.ok else "damaged"),
        )
        for item in verified
    ]
    return Table(columns=columns, rows=rows, right=frozenset({"revision", "objects", "size"}))


def _damage(verified: Sequence[Verified]) -> Table:
    rows = [
        (damage.key, damage.problem, ", ".join(damage.files)) for item in verified for damage in item.damage
    ]
    return Table(columns=("damaged object", "problem", "files"), rows=rows)


@click.command()
@click.argument(
    "name", metavar="[[JOB/]STAGE|JOB/]", required=False, shell_complete=options.completed("stages")
)
@options.job
@click.option(
    "--stage",
    metavar="[JOB/]STAGE",
    shell_complete=options.completed("stages"),
    help="Only this stage; the whole job without it.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@options.shared
@click.pass_obj
def rm(
    common: Common, name: str | None, job: str | None, stage: str | None, *, yes: bool, dry_run: bool
) -> None:
    """Remove a stage, or a whole job.

    A removed stage keeps its history, and prune frees its bytes; of a job nothing is left. A whole job is
    removed only if JOB/ or --job names it: UP42_STATE_JOB is not enough. On a terminal it asks first.
    """
    found = _to_remove(common, name, job, stage)
    if found.stage is not None:
        _remove_stage(common, found.stage, yes=yes, dry_run=dry_run)
        return
    if name is not None and not (yes or dry_run or _is_answered()):
        # Where STAGE is empty in "$JOB/$STAGE", a script names a job that it does not mean.
        raise click.UsageError(f"{name} is a whole job, and there is nobody to ask: give --yes as well")
    _remove_job(common, found.job, yes=yes, dry_run=dry_run)


def _remove_stage(common: Common, stage: Stage, *, yes: bool, dry_run: bool) -> None:
    from up42_state.stages.upkeep.usage import stage_usage

    asks = _asks(common, yes=yes)
    if asks or dry_run:
        with suppress(IntegrityError):  # a damaged stage can be removed, too
            stage.latest("DRY_RUN")
        taken = stage_usage(stage.job.state.store, stage.job.key, stage.name)
        held = f"{counted(taken.revisions, 'revision')}, {size(taken.bytes)}"
        if dry_run:
            would = facts({"would remove": stage, "which has": held, "bytes": "stay until prune"})
            print_result(common, taken.to_dict() | {"dry_run": True}, would)
            return
        _ask(f"Remove stage {stage} ({held}; the bytes stay until prune)?")
    tombstone = stage.delete()
    removed = {"removed": f"{tombstone.job}/{tombstone.stage}", "revision": tombstone.revision}
    print_result(common, tombstone.to_dict(), facts(removed))


def _remove_job(common: Common, job: Job, *, yes: bool, dry_run: bool) -> None:
    from up42_state.stages.history import missing_job
    from up42_state.stages.upkeep.usage import usages

    asks = _asks(common, yes=yes)
    if asks or dry_run:
        (taken,) = usages(job.state.store, [job.key])
        if not taken.objects:
            raise missing_job(job.state.store, job.key)
        stages, objects = counted(taken.stages, "stage"), counted(taken.objects, "object")
        held = f"{stages}, {objects}, {size(taken.bytes)}"
        if dry_run:
            would = facts({"would remove": job.key, "which has": held})
            print_result(common, taken.to_dict() | {"dry_run": True}, would)
            return
        _ask(f"Remove job {job.key} ({held}), for good?")
    gone = job.delete()
    if gone.foreign:
        common.note(
            f"warning: {len(gone.foreign)} objects that are none of ours were left, such as {gone.foreign[0]}"
        )
    _say_what_is_kept(common, job.state)
    value = {"job": job.key, "objects": gone.objects, "foreign": list(gone.foreign)}
    print_result(common, value, facts({"removed": job.key, "objects": gone.objects}))


def _asks(common: Common, *, yes: bool) -> bool:
    """Whether a person is to be asked: one sits before a terminal, and has not said yes yet.

    :raises click.UsageError: the person does not want to read anything.
    """
    if yes or not _is_answered():
        return False
    if common.quiet:
        raise click.UsageError("--quiet leaves no room for a question: give --yes as well")
    return True


def _is_answered() -> bool:
    """Whether a person sits before a terminal, who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(question: str) -> None:
    """Ask a person, on stderr.

    :raises StateError: the answer is no, or there is none: the end of the input (Ctrl-D).
    """
    try:
        agreed = click.confirm(plain(question), err=True)
    except click.Abort:
        click.echo(err=True)  # the error stands on a line of its own
        agreed = False
    if not agreed:
        raise StateError("nothing was removed")


def _to_remove(common: Common, name: str | None, job: str | None, stage: str | None) -> names.Chosen:
    """Return what is to be removed. A whole job must be named as one, here and now.

    :raises SettingsError: nothing is named.
    :raises click.UsageError: a name may be a job's or a stage's, or has a revision.
    """
    if name is None and stage is None and job is None:
        raise SettingsError(
            "nothing says what to remove", advice="give JOB/STAGE, or JOB/ or --job for a whole job"
        )
    names.refuse_revision(name, "rm removes a stage with all its revisions")
    if name is not None and "/" not in name and common.handles(job=job).settings.job is None:
        raise click.UsageError(
            f"{name} may be a job or a stage, since no job is set: write JOB/{name} for the stage, or "
            f"{name}/ for the whole job"
        )
    (found,) = names.chosen(common, [] if name is None else [name], job=job, stage=stage)
    return found


@click.command()
@click.argument("name", metavar="[JOB]", required=False, shell_complete=options.completed("jobs"))
@options.job
@click.option("--all", "every", is_flag=True, help="Every job of the store, not one.")
@click.option(
    "--older-than",
    type=options.duration,
    metavar="TIME",
    help="With --all: only jobs in which nothing was saved or run for this long, such as 30d.",
)
@click.option("--keep", type=int, default=3, show_default=True, metavar="N", help="Revisions of each stage.")
@click.option(
    "--grace",
    type=options.duration,
    metavar="TIME",
    default="24h",
    show_default=True,
    help="Delete only what has been unused for longer: 30m, 24h, 7d, 0.",
)
@click.option("--no-writers", is_flag=True, help="Promise that no save runs meanwhile; for a grace below 1h.")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@options.shared
@click.pass_obj
def prune(
    common: Common,
    /,
    name: str | None,
    job: str | None,
    *,
    every: bool,
    older_than: timedelta | None,
    **how: Any,
) -> None:
    """Delete what is not needed any more.

    That is everything that the newest revisions of each stage of a job do not use. The current revision of a
    stage always stays.
    """
    if every:
        if name is not None or job is not None:
            raise click.UsageError("--all means every job, and JOB or --job means one: give one of the two")
        _prune_all(common, common.handles().state, older_than, how)
        return
    if older_than is not None:
        raise click.UsageError("--older-than chooses among the jobs of the store: give --all")
    found = names.chosen_job(common, name, job=job)
    pruned = found.prune(**how)
    if pruned.objects:
        _say_what_is_kept(common, found.state)
    for warning in pruned.warnings:
        common.note(f"warning: {warning}")
    print_result(common, pruned.to_dict(), *_pruned(pruned))


def _prune_all(common: Common, state: State, older_than: timedelta | None, how: dict[str, Any]) -> None:
    """Prune all jobs, or those that are older.

    :raises StateError: the first job that cannot be pruned; the others are.
    """
    from up42_state.stages.upkeep.prune import Pruned
    from up42_state.stages.upkeep.prune_jobs import prune_jobs

    found = list(prune_jobs(state.store, older_than=older_than, **how))
    pruned = [item for item in found if isinstance(item, Pruned)]
    failed = [item for item in found if not isinstance(item, Pruned) and item.error is not None]
    if any(item.objects for item in pruned):
        _say_what_is_kept(common, state)
    for item in pruned:
        for warning in item.warnings:
            common.note(f"warning: {item.job}: {warning}")
    if skipped := len(found) - len(pruned) - len(failed):
        common.note(f"{counted(skipped, 'job')} left: something was saved or run lately")
    problems = [(item.job, item.error.message) for item in failed if item.error]
    tables = (_pruned_jobs(pruned, dry_run=how["dry_run"]), Table(columns=("job", "problem"), rows=problems))
    print_result(common, [item.to_dict() for item in found], *tables)
    if failed and failed[0].error:
        raise failed[0].error


def _pruned_jobs(pruned: Sequence[Pruned], *, dry_run: bool) -> Table:
    what = "would delete" if dry_run else "deleted"
    columns = ("job", what, "size", "records of runs", "shards", "unfinished uploads", "waiting", "not ours")
    rows = [
        (
            item.job,
            item.objects,
            size(item.bytes),
            *(len(item.runs) or "", len(item.shards) or "", item.uploads or ""),
            *(len(item.waiting) or "", item.foreign or ""),
        )
        for item in pruned
    ]
    return Table(columns=columns, rows=rows, right=frozenset(columns[1:]))


def _say_what_is_kept(common: Common, state: State) -> None:
    """Print a note if the store keeps what is deleted, so that deleting frees no space."""
    try:
        kept = state.store.bucket.retention()
    except StateError:  # what was asked for is done
        return
    if kept:
        common.note(f"note: {kept}")


def _pruned(pruned: Pruned) -> tuple[Table, Table]:
    done = "would delete" if pruned.dry_run else "deleted"
    summary = {
        done: f"{counted(pruned.objects, 'object')}, {size(pruned.bytes)}",
        "records of runs": len(pruned.runs) or "",
        "shards left by their tasks": len(pruned.shards) or "",
        "unfinished uploads": pruned.uploads,
        "left, as not ours": pruned.foreign or "",
        "waiting for the grace": len(pruned.waiting),
        "dated in the future": pruned.future or "",
    }
    state = "would go" if pruned.dry_run else "deleted"
    rows = [(attempt, state) for attempt in pruned.attempts]
    rows += [(attempt, "waiting") for attempt in pruned.waiting]
    return facts(summary), Table(columns=("save", "state"), rows=rows)
