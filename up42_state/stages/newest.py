"""Find the newest revision of one stage over all jobs of a store, in few requests for many jobs."""

from __future__ import annotations

import logging
from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from up42_state.errors import SettingsError, StageNotFoundError
from up42_state.stages.format.names import commits_prefix, is_name, parse_commit_key, some_names
from up42_state.stages.history import DamagedCommit, History

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from datetime import datetime

    from up42_state.buckets.base import ObjectInfo
    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.store import Store

__all__ = ["newest_current"]

_PAGE = 1000  # objects that S3 and GCS list in one request at most
# Objects of one job: a tenth of a page, so listing this many costs a tenth of a request for the job.
_FEW = 100
# Clocks of writers and stores differ by less: S3 refuses requests whose time is further off
# (RequestTimeTooSkewed).
_SKEW = timedelta(minutes=15)
_LOG = logging.getLogger("up42_state")


class _Found(msgspec.Struct, frozen=True):
    """The commits of the stage in one job, as a listing tells of them; ``written`` is the last one's time."""

    job: str
    revisions: tuple[int, ...]
    written: int


def newest_current(
    store: Store,
    stage: str,
    *,
    job_mode: JobMode = "DEFAULT",
    before: datetime | None = None,
    besides: Container[str] = (),
) -> Commit:
    """Return the current revision of a stage that was saved last, of all jobs.

    :param stage: a checked stage name.
    :param job_mode: what a dry run saved is current in ``DRY_RUN`` alone.
    :param before: only what was saved before this time.
    :param besides: keys of jobs that are not looked at.
    :raises SettingsError: ``before`` is no time with a time zone.
    :raises StageNotFoundError: no job has such a stage; the error says which ones were passed over.
    """
    if before is not None and getattr(before, "tzinfo", None) is None:
        raise SettingsError(
            f"before is {before!s:.40}, no time with a time zone", advice="give one: datetime.now(UTC)"
        )
    passed_over = []
    until = before.timestamp() + _SKEW.total_seconds() if before else float("inf")
    for found in _newest_first(store, stage, besides, until):
        why = _why_not(found, job_mode, before)
        if not isinstance(found, DamagedCommit) and not why:
            return found
        name = f"{found.job}/{found.stage}@{found.revision}"
        level = logging.WARNING if isinstance(found, DamagedCommit) else logging.INFO
        _LOG.log(level, "%s is passed over: %s", name, why)
        passed_over.append(f"{name} ({why})")
    raise StageNotFoundError(
        f"{store.bucket.url} has no job with a stage {stage}"
        + (f" that was saved before {before}" if before else ""),
        advice=f"passed over: {some_names(passed_over)}" if passed_over else "save the first one",
    )


def _why_not(found: Commit | DamagedCommit, job_mode: JobMode, before: datetime | None) -> str:
    """Say why a commit is passed over; an empty text if it is not."""
    if isinstance(found, DamagedCommit):
        return found.error.message
    if found.removed:
        return "the stage was removed"
    if not found.is_current(job_mode):
        return "it is of a dry run"
    return f"it was saved at {found.time:%Y-%m-%d %H:%M:%S} UTC" if before and found.time >= before else ""


def _newest_first(
    store: Store, stage: str, besides: Container[str], until: float
) -> Iterator[Commit | DamagedCommit]:
    """Yield the newest commit that each job has of a stage, the commit that was written last first.

    The store's times in the listing put the jobs in order, so only the commits that the caller looks at are
    read. S3 tells whole seconds: commits of one second are read together, and ordered by their own times.

    :param until: what was written later than this, in seconds of the store's clock, is left out unread.
    :return: commits, tombstones and what a dry run saved included; of a damaged one why it cannot be read.
    """
    found = [each for each in _found(store, stage, besides) if each.written <= until]
    found.sort(key=lambda each: (-each.written, each.job))
    for _, together in groupby(found, key=lambda each: each.written):
        with store.transfers() as transfers:
            read = list(
                transfers.map(lambda each: History(store, each.job, stage).last(each.revisions), together)
            )
        yield from (item for item in read if isinstance(item, DamagedCommit))
        commits = [item for item in read if item is not None and not isinstance(item, DamagedCommit)]
        yield from sorted(commits, key=lambda commit: commit.time, reverse=True)


def _found(store: Store, stage: str, besides: Container[str]) -> Iterator[_Found]:
    """Yield every job that has commits of the stage."""

    def look(item: tuple[str, list[ObjectInfo] | None]) -> _Found | None:
        job, objects = item
        listed = store.bucket.list(commits_prefix(job, stage)) if objects is None else objects
        commits = {number: info for info in listed if (number := parse_commit_key(info.key))}
        if not commits:
            return None
        written = commits[max(commits)].modified
        return _Found(job, tuple(commits), int(written.timestamp()))

    with store.transfers() as transfers:
        jobs = (item for item in _jobs(store, stage) if item[0] not in besides)
        yield from filter(None, transfers.map(look, jobs))


def _jobs(store: Store, stage: str) -> Iterator[tuple[str, list[ObjectInfo] | None]]:
    """Yield the jobs, each with the stage's commit objects, or with ``None`` where these are not listed.

    All objects of the store are listed together while the jobs are small: one request then lists several
    jobs. Once the jobs seen so far have more than ``_FEW`` objects each, the other jobs come with ``None``,
    and the caller makes a request for each of them, side by side. So the common listing adds at most a tenth
    to a request for each job.
    """
    count = 0
    seen: set[str] = set()
    for job, group in groupby(store.bucket.list(""), key=lambda info: info.key.partition("/")[0]):
        prefix = commits_prefix(job, stage)
        commits = []
        for info in group:
            if info.key.startswith(prefix):
                commits.append(info)
            count += 1
            if count >= _PAGE + _FEW * len(seen):
                rest = (name for name in store.bucket.prefixes("") if is_name(name) and name not in seen)
                yield from ((name, None) for name in rest)
                return
        seen.add(job)
        if is_name(job):
            yield job, commits
