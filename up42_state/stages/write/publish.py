"""Publishing a commit: create-only, and certain of its answer.

The commit is one create-only write. An answer that is lost (a timeout, a 5xx, a retry inside the SDK that
meets its own first write) says nothing, so the number is read back: our attempt there means that we won,
another's that we lost, nothing that the same bytes are sent to the same number again. The next number is
never taken before this one reads back as another's, or one save could leave two revisions.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from up42_state.buckets.probe import ensure_atomic_create
from up42_state.errors import (
    AccessDeniedError,
    CommitUncertainError,
    IntegrityError,
    ObjectExistsError,
    ObjectNotFoundError,
    SettingsError,
    StageConflictError,
    StorageError,
    UnsupportedStoreError,
)
from up42_state.stages.format.commit import Commit, now
from up42_state.stages.format.names import LAST_REVISION, check_number, commit_key, new_attempt
from up42_state.stages.history import History
from up42_state.stages.write.lease import StaleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from up42_state.stages.format.commit import JobMode
    from up42_state.stages.store import Store

    IfExists = Literal["replace", "skip", "error"]

__all__ = ["Precondition", "create_commit", "publish", "tombstone"]

_CHOICES = ("replace", "skip", "error")
TRIES = 6
PATIENCE = 600.0  # seconds: a commit that comes later may refer to bytes that are no longer safe


class Precondition:
    """What a save demands of the revisions that are there already.

    :param if_exists: ``replace`` takes the next number, ``skip`` leaves a stage that is there,
        ``error`` raises. For real output, one that holds only a dry run's is not there.
    :param expect: the number of the newest revision, 0 for none; ``None`` for any.
    :param seen: the number of the newest revision that the caller knew when it began to make the output, 0
        for none. A later one that is made of the same stands in place of a new one: of two that work on one
        task, one makes its revision. ``None`` for a caller that began from nothing that it knows.
    :raises SettingsError: ``if_exists`` is none of its choices, or ``expect`` no number.
    """

    def __init__(
        self, if_exists: IfExists = "replace", expect: int | None = None, *, seen: int | None = None
    ) -> None:
        if if_exists not in _CHOICES:
            raise SettingsError(f"if_exists is {if_exists!r}", advice=f"use one of {', '.join(_CHOICES)}")
        self.if_exists = if_exists
        self.expect = None if expect is None else check_number("expect", expect)
        self.seen = seen

    def settle(self, newest: Commit | None, job_mode: JobMode, draft: Commit | None = None) -> Commit | None:
        """The commit that stands in place of a new one, or ``None`` where a new one is due.

        :param newest: the newest revision now.
        :param job_mode: of what is saved.
        :param draft: what would be committed, once that is known.
        :raises StageConflictError: the newest revision is not one that the caller allows for.
        """
        number = newest.revision if newest else 0
        if self.expect is not None and number != self.expect:
            raise StageConflictError(
                f"expected revision {self.expect}, found revision {number}"
                + (f" ({newest.name})" if newest else " (the stage was never saved)"),
                advice="read the newest revision, merge what you have into it, and save again",
            )
        if newest is None or not newest.is_current(job_mode):
            return None
        if self.if_exists == "skip":
            return newest
        if self.if_exists == "error":
            raise StageConflictError(
                f"{newest.name} exists already",
                advice="if_exists='replace' (--if-exists replace) adds a revision",
            )
        if draft is None:
            return None
        if job_mode == "DRY_RUN" and newest.job_mode == "DEFAULT":
            return newest  # a dry run never supersedes real output
        return newest if newest.same_output(draft) or self._was_made_meanwhile(newest, draft) else None

    def _was_made_meanwhile(self, newest: Commit, draft: Commit) -> bool:
        """Tell whether somebody else has made what is to be made, though the bytes may differ."""
        if self.seen is None or newest.revision <= self.seen:
            return False
        is_whole = not newest.missing or newest.missing == draft.missing
        return is_whole and bool(draft.fingerprint) and newest.fingerprint == draft.fingerprint


def publish(
    store: Store,
    draft: Commit,
    newest: Commit | None,
    precondition: Precondition,
    still_good: Callable[[], None] = lambda: None,
) -> Commit:
    """Make ``draft`` the next revision of its stage, and return the commit that stands in the end.

    :param draft: the commit, under any number.
    :param newest: the newest revision that the caller knows of.
    :param still_good: called before each write and after the last; raises
        :class:`~up42_state.stages.write.lease.StaleError` where what the draft refers to may be gone.
    :raises StaleError: it said so, or the job was removed meanwhile; no commit of this draft is current.
    :raises StageConflictError: another save won, and the precondition does not allow for it.
    :raises CommitUncertainError: the store does not tell whether the commit was written.
    """
    ensure_atomic_create(store.bucket, single_writer=store.single_writer)
    history = History(store, draft.job, draft.stage)
    while True:
        standing = precondition.settle(newest, draft.job_mode, draft)
        if standing is not None:
            return standing
        commit = draft.at(newest.revision + 1 if newest else 1)
        still_good()
        if create_commit(store, commit):
            _confirm(store, commit, still_good)
            return commit
        newest = history.newest()
        if newest is None or newest.revision < commit.revision:  # a listing that lags
            newest = history.find(commit.revision)
        if newest is None:  # the winner's commit went with its job
            raise StaleError


def _confirm(store: Store, commit: Commit, still_good: Callable[[], None]) -> None:
    """Take a commit back, by a tombstone, if what it refers to went while it was being written.

    :raises StaleError: it was taken back.
    """
    try:
        with suppress(StorageError):  # no answer is no reason to doubt a commit that was written
            still_good()
    except StaleError:
        # if a newer revision stands there, that will do
        create_commit(store, tombstone(commit.job, commit.stage, commit.revision + 1))
        raise


def tombstone(job: str, stage: str, revision: int) -> Commit:
    """Make the commit of a revision that removes a stage."""
    return Commit(
        job=job,
        stage=stage,
        revision=revision,
        attempt=new_attempt(),
        time=now(),
        removed=True,
    )


def create_commit(store: Store, commit: Commit) -> bool:
    """Write a commit under its number. Return True if this commit has the number, False if another has it.

    :raises CommitUncertainError: the store does not tell.
    """
    _check_number(commit)
    data = commit.render()
    failure: Exception | None = None
    started = time.monotonic()
    for attempt in range(TRIES):
        if time.monotonic() - started > PATIENCE:
            break
        time.sleep(_pause(attempt))
        try:
            store.bucket.create(commit.key, data)
        except (AccessDeniedError, UnsupportedStoreError):
            raise
        except (ObjectExistsError, StorageError) as error:
            failure = error
            stands = _read_back(store, commit, attempt)
            if stands is not None:
                return stands
        else:
            return True
    raise CommitUncertainError(
        f"the store does not say whether {commit.name} was written: {failure}",
        advice="everything else of the save is stored; save again once the store answers",
    ) from failure


def _check_number(commit: Commit) -> None:
    """Refuse a number that a commit's name cannot hold: no reader would see such a commit.

    :raises IntegrityError: the commit has such a number.
    """
    if commit.revision > LAST_REVISION:
        last = commit_key(commit.job, commit.stage, LAST_REVISION)
        raise IntegrityError(
            f"no revision can follow {commit.job}/{commit.stage}@{LAST_REVISION}; nothing was committed",
            advice=f"look at {last}: no stage is saved so often; delete that object if it is none of yours",
        )


def _read_back(store: Store, commit: Commit, attempt: int) -> bool | None:
    """Return True if our commit has the number, False if another's has it, None if the store does not say."""
    history = History(store, commit.job, commit.stage)
    time.sleep(_pause(attempt))
    try:
        return history.read(commit.revision).attempt == commit.attempt
    except (ObjectNotFoundError, StorageError):
        return None


def _pause(attempt: int) -> float:
    """Seconds before a try: none before the first, then doubling up to 5, with jitter."""
    return 0.0 if attempt == 0 else random.uniform(0.5, 1.0) * min(0.2 * 2**attempt, 5.0)  # noqa: S311 - spreads callers, no secret
