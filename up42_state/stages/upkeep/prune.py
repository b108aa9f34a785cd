"""Pruning: deleting what no kept revision stands on.

An attempt is deleted only if no kept commit of the job refers to it, and it was unlinked, and its newest
object written, longer ago than the grace, by the store's own clock. A commit is unlinked when the revision
that pushes it out of the kept ones is written. Commits themselves stay.

Why this is safe beside savers: a save refers only to bytes of revisions that were current when it read them,
and it commits within half the grace of that, or reads again. So when an attempt has been unlinked for the
whole grace, every save that could refer to it has committed – and is among the commits read here – or will
find out that it may not.

A listing may lag behind. So before anything is taken for unused, every stage is asked for commits after those
that were listed.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from up42_state.errors import IntegrityError, ObjectNotFoundError, SettingsError, UnsupportedFormatError
from up42_state.stages.format.commit import Commit
from up42_state.stages.format.names import (
    attempt_prefix,
    attempts_prefix,
    check_number,
    commit_key,
    commits_prefix,
    is_attempt,
    is_ours,
    parse_commit_key,
    runs_prefix,
    shard_of,
)
from up42_state.stages.history import DamagedCommit, History, missing_job
from up42_state.stages.listing import list_stages
from up42_state.stages.upkeep.ages import Ages
from up42_state.stages.upkeep.runs import old_runs
from up42_state.stages.upkeep.shards import left_shards, remove_shards
from up42_state.stages.write.lease import MIN_GRACE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from up42_state.buckets.base import ObjectInfo
    from up42_state.stages.store import Store

__all__ = ["GRACE", "Pruned", "check_prune", "prune"]

GRACE = timedelta(hours=24)
_LONGEST = timedelta(days=36_500)  # a hundred years


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What pruning deleted, or would delete.

    :param attempts: as ``<stage>/<attempt>``.
    :param waiting: attempts that nothing refers to, but whose grace is not over.
    :param uploads: how many unfinished uploads were discarded.
    :param foreign: how many objects and folders of others lie there; they were left.
    :param future: how many of the objects that were looked at are dated in the future; ``warnings`` say what
        became of them.
    :param runs: the runs whose records were deleted.
    :param shards: shards that were removed, since no kept revision of their task stands on them.
    """

    job: str
    attempts: tuple[str, ...]
    objects: int
    bytes: int
    uploads: int
    foreign: int
    waiting: tuple[str, ...]
    dry_run: bool
    future: int = 0
    warnings: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()

    def __repr__(self) -> str:
        what = f"{len(self.attempts)} attempts, {self.objects} objects, {self.bytes} bytes"
        return f"Pruned({self.job}: {'would delete ' if self.dry_run else ''}{what})"

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


class _Job(msgspec.Struct):
    """A job as listings show it.

    :param commits: when each was written, by stage and revision.
    :param attempts: their objects, by ``<stage>/<attempt>``; none where they are not listed yet.
    :param foreign: how many objects and folders are none of ours.
    """

    commits: dict[str, dict[int, datetime]] = msgspec.field(default_factory=dict)
    attempts: dict[str, list[ObjectInfo]] = msgspec.field(default_factory=dict)
    foreign: int = 0


def check_prune(keep: int, grace: timedelta, *, no_writers: bool) -> None:
    """Make sure that pruning may be asked for in this way.

    :raises SettingsError: ``keep`` or ``grace`` is out of range.
    """
    if check_number("keep", keep) < 1:
        raise SettingsError(f"keep is {keep}", advice="keep at least 1 revision; rm removes a stage")
    if grace < MIN_GRACE and not no_writers:
        raise SettingsError(
            f"a grace of {grace} is too short beside savers",
            advice="make it at least 1h, or say no_writers=True (--no-writers) when no save runs meanwhile",
        )
    if not timedelta() <= grace <= _LONGEST:
        raise SettingsError(f"a grace of {grace} is out of range", advice=f"give 0 to {_LONGEST.days}d")


def prune(
    store: Store,
    job: str,
    *,
    keep: int = 3,
    grace: timedelta = GRACE,
    no_writers: bool = False,
    dry_run: bool = False,
) -> Pruned:
    """Delete what the newest ``keep`` revisions of each stage do not stand on, and records of old runs.

    :param keep: how many revisions of each stage to keep, tombstones counted; at least 1.
    :param grace: how long ago an attempt must have been unlinked.
    :param no_writers: promises that no save runs meanwhile; needed for a grace of less than an hour.
    :param dry_run: only say what would be deleted.
    :raises JobNotFoundError: there is no such job.
    :raises SettingsError: ``keep`` or ``grace`` is out of range.
    :raises IntegrityError: a commit that must be read is damaged; no object is deleted.
    """
    check_prune(keep, grace, no_writers=no_writers)
    ages = Ages(store.bucket, grace, everything=no_writers and not grace)
    uploads, busy = _end_uploads(store, job, ages, dry_run=dry_run)
    listed = _list(store, job)
    kept = _kept(store, job, listed, keep, ages)
    in_use = {attempt for commit in kept for attempt in commit.refers} | busy
    if not listed.attempts.keys() <= in_use and _add_unlisted(store, job, listed):
        kept = _kept(store, job, listed, keep, ages)
        in_use = {attempt for commit in kept for attempt in commit.refers} | busy
    shards = left_shards(
        listed.commits,
        {attempt for commit in kept if not shard_of(commit.stage) for attempt in commit.refers} | busy,
        {commit.stage for commit in kept if commit.removed},
        ages,
    )
    unused = _objects(store, job, listed, listed.attempts.keys() - in_use)
    for info in (info for infos in unused.values() for info in infos):
        ages.note(info.key, info.modified)
    due = {name for name, infos in unused.items() if ages.is_old(max(info.modified for info in infos))}
    runs, foreign = old_runs(store, job, ages)
    doomed = [info for name in sorted(due) for info in unused[name]]
    doomed += [info for infos in runs.values() for info in infos]
    if not dry_run:
        _delete(store, [info.key for info in doomed])
        remove_shards(store, job, shards)
    return Pruned(
        job=job,
        attempts=tuple(sorted(due)),
        objects=len(doomed),
        bytes=sum(info.size for info in doomed),
        uploads=uploads,
        foreign=listed.foreign + foreign,
        waiting=tuple(sorted(unused.keys() - due)),
        dry_run=dry_run,
        future=ages.future,
        warnings=ages.warnings,
        runs=tuple(runs),
        shards=tuple(shards),
    )


def _end_uploads(store: Store, job: str, ages: Ages, *, dry_run: bool) -> tuple[int, set[str]]:
    """Discard unfinished uploads that were begun long ago; return how many, and the attempts of the others.

    Done before anything is listed: a save whose one large file takes longer than the grace has either
    completed it, and the listing shows a new object of its attempt, or fails.
    """
    old = 0
    busy = set()
    for upload in list(store.bucket.uploads(f"{job}/")):
        if not is_ours(upload.key):  # another store may lie below the job
            continue
        ages.note(upload.key, upload.started)
        if ages.is_old(upload.started):
            old += 1
            if not dry_run:
                store.bucket.abort_upload(upload)
        else:
            parts = upload.key.split("/")
            busy.add("/".join(parts[1:4:2]))
    return old, busy


def _list(store: Store, job: str) -> _Job:
    listed = _Job()
    with store.transfers() as transfers:
        for part in transfers.map(lambda item: _list_stage(store, job, *item), list_stages(store, job)):
            listed.commits |= part.commits
            listed.attempts |= part.attempts
            listed.foreign += part.foreign
    if not listed.commits and not listed.attempts and not store.bucket.holds(runs_prefix(job)):
        raise missing_job(store, job)
    return listed


def _list_stage(store: Store, job: str, stage: str, objects: Iterable[ObjectInfo] | None) -> _Job:
    """List one stage: all of its objects, or, if it has many, the names of its attempts and its commits.

    Commits are listed after attempts, so that a commit written meanwhile protects an attempt listed before.
    """
    listed = _Job()
    if objects is None:
        attempts = list(store.bucket.prefixes(attempts_prefix(job, stage)))
        listed.attempts = {f"{stage}/{name}": [] for name in attempts if is_attempt(name)}
        listed.foreign = len(attempts) - len(listed.attempts)
        objects = store.bucket.list(commits_prefix(job, stage))
    for info in objects:
        parts = info.key.split("/")
        revision = parse_commit_key(info.key)
        if revision:
            listed.commits.setdefault(stage, {})[revision] = info.modified
        elif not is_ours(info.key):
            listed.foreign += 1
        elif parts[2] == "attempts":
            listed.attempts.setdefault(f"{stage}/{parts[3]}", []).append(info)
    return listed


def _add_unlisted(store: Store, job: str, listed: _Job) -> bool:
    """Add commits that a lagging listing does not show. Return True if there are any.

    Numbers have no gaps, so the next ones are asked for.
    """
    stages = sorted({*listed.commits, *(name.partition("/")[0] for name in listed.attempts)})
    with store.transfers() as transfers:
        later = list(
            transfers.map(lambda stage: _later(store, job, stage, listed.commits.get(stage, {})), stages)
        )
    for stage, commits in zip(stages, later, strict=True):
        if commits:
            listed.commits[stage] = listed.commits.get(stage, {}) | commits
    return any(later)


def _later(store: Store, job: str, stage: str, known: Iterable[int]) -> dict[int, datetime]:
    found: dict[int, datetime] = {}
    revision = max(known, default=0) + 1
    with suppress(ObjectNotFoundError):
        while History(store, job, stage).find(revision):
            found[revision] = store.bucket.head(commit_key(job, stage, revision)).modified
            revision += 1
    return found


def _kept(store: Store, job: str, listed: _Job, keep: int, ages: Ages) -> list[Commit]:
    """The commits whose attempts stay: those that are kept, and those that were unlinked only lately."""
    wanted = [
        (stage, revision)
        for stage, commits in listed.commits.items()
        for revision in _protected(commits, keep, ages)
    ]
    for stage, commits in listed.commits.items():
        for revision, written in commits.items():
            ages.note(commit_key(job, stage, revision), written)

    def look(item: tuple[str, int]) -> Commit | DamagedCommit | None:
        stage, revision = item
        history, numbers = History(store, job, stage), set(listed.commits[stage])
        found = history.look(revision)
        if isinstance(found, Commit) and revision == max(numbers):
            return history.checked(found, numbers)  # a forged one would push others out of the kept ones
        return found

    with store.transfers() as transfers:
        found = list(transfers.map(look, wanted))
    kept = []
    for item in found:
        if isinstance(item, DamagedCommit):
            _stop(item)
        elif item is not None:
            kept.append(item)
    return kept


def _stop(damaged: DamagedCommit) -> NoReturn:
    """Refuse to prune beside a kept commit that cannot be read: it may refer to every attempt of the job.

    :raises IntegrityError: always.
    """
    if isinstance(damaged.error, UnsupportedFormatError):
        raise damaged.error
    raise IntegrityError(
        f"{damaged.error.message}; as nobody knows what it refers to, nothing was deleted",
        advice=f"{damaged.error.advice}; else remove the stage, and prune when the grace is over "
        "with keep=N (--keep N) so that this revision is left out: 1 keeps the newest alone",
    ) from damaged.error


def _objects(store: Store, job: str, listed: _Job, names: Iterable[str]) -> dict[str, list[ObjectInfo]]:
    """The objects of attempts."""

    def objects(name: str) -> list[ObjectInfo]:
        stage, _, attempt = name.partition("/")
        return listed.attempts[name] or list(store.bucket.list(attempt_prefix(job, stage, attempt)))

    with store.transfers() as transfers:
        found = dict(transfers.map(lambda name: (name, objects(name)), sorted(names)))
    ours = {name: [info for info in infos if is_ours(info.key)] for name, infos in found.items()}
    listed.foreign += sum(map(len, found.values())) - sum(map(len, ours.values()))
    return {name: infos for name, infos in ours.items() if infos}


def _protected(commits: dict[int, datetime], keep: int, ages: Ages) -> list[int]:
    """The revisions that are kept, and those that were pushed out of the kept ones only lately."""
    newest_first = sorted(commits, reverse=True)
    pushed_by = newest_first[: max(len(newest_first) - keep, 0)]
    at = ages.unlinked(commits)
    late = [old for old, by in zip(newest_first[keep:], pushed_by, strict=True) if not ages.is_old(at[by])]
    return newest_first[:keep] + late


def _delete(store: Store, keys: list[str]) -> None:
    """Delete attempts, their indexes first: without its index, readers know that an attempt was pruned."""
    indexes = {key for key in keys if key.endswith("/index.json")}
    store.bucket.delete([key for key in keys if key in indexes])
    store.bucket.delete([key for key in keys if key not in indexes])
