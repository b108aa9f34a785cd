"""Reads the revisions of a stage from its commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from up42_state.errors import (
    IntegrityError,
    JobNotFoundError,
    NotFoundError,
    ObjectNotFoundError,
    RevisionNotFoundError,
    StageNotFoundError,
    UnsupportedFormatError,
)
from up42_state.stages.format.commit import Commit
from up42_state.stages.format.names import (
    LAST_REVISION,
    attempts_prefix,
    commit_key,
    commits_prefix,
    parse_commit_key,
    shard_of,
    some_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from up42_state.stages.format.commit import JobMode
    from up42_state.stages.store import Store

    State = Literal["restorable", "pruned", "removed"]

__all__ = ["DamagedCommit", "History", "missing_job", "readable"]

_MOST = 64 * 1024 * 1024  # bytes of a commit that are read; a longer one fails its digest


class DamagedCommit(msgspec.Struct, frozen=True, kw_only=True):
    """A revision whose commit cannot be read, and why."""

    job: str
    stage: str
    revision: int
    error: IntegrityError

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "job": self.job,
            "stage": self.stage,
            "revision": self.revision,
            "problem": self.error.message,
        }


class History:
    """Reads the commits of one stage. Nothing is kept: each call asks the store.

    :param store: the store that the job lies in.
    :param job: a checked job key.
    :param stage: a checked stage name.
    """

    def __init__(self, store: Store, job: str, stage: str) -> None:
        self.store = store
        self.job = job
        self.stage = stage

    def __str__(self) -> str:
        return f"{self.job}/{self.stage}"

    def revisions(self) -> list[int]:
        """List the numbers of all revisions, rising; none for a stage that was never saved."""
        listed = self.store.bucket.list(commits_prefix(self.job, self.stage))
        numbers = (parse_commit_key(info.key) for info in listed)
        return [number for number in numbers if number]

    def read(self, revision: int) -> Commit:
        """Read the commit of one revision, a tombstone too.

        :raises ObjectNotFoundError: there is no such commit.
        :raises IntegrityError: the commit is damaged.
        """
        key = commit_key(self.job, self.stage, revision)
        return Commit.parse(self.store.bucket.get(key, 0, _MOST + 1), key)

    def find(self, revision: int) -> Commit | None:
        """Read the commit of one revision; ``None`` if there is none.

        A commit that was listed may be gone when it is read: the removal of a job deletes commits first.

        :raises IntegrityError: the commit is damaged.
        """
        try:
            return self.read(revision)
        except ObjectNotFoundError:
            return None

    def look(self, revision: int) -> Commit | DamagedCommit | None:
        """Read the commit of one revision, or say why it cannot be read; ``None`` if there is none."""
        try:
            return self.find(revision)
        except IntegrityError as error:
            return DamagedCommit(job=self.job, stage=self.stage, revision=revision, error=error)

    def newest(self) -> Commit | None:
        """Read the commit with the highest number, a tombstone too; ``None`` for a stage without commits.

        :raises IntegrityError: the commit is damaged. An older commit is never taken in its place.
        """
        found = self.last(self.revisions())
        if isinstance(found, DamagedCommit):
            raise found.error
        return found

    def last(self, revisions: Iterable[int]) -> Commit | DamagedCommit | None:
        """Read the commit with the highest of these numbers, or say why it cannot be read and what to do."""
        numbers = set(revisions)
        revision = max(numbers, default=0)
        found = self.look(revision) if revision else None
        if isinstance(found, Commit):
            found = self.checked(found, numbers)
        if not isinstance(found, DamagedCommit) or isinstance(found.error, UnsupportedFormatError):
            return found
        if revision == LAST_REVISION:  # no removal can follow either
            return found
        error = IntegrityError(
            found.error.message,
            advice=f"{found.error.advice}; `up42-state rm --job {self.job} --stage {self.stage}` lets the "
            f"stage be saved anew, and `up42-state verify --job {self.job}` looks after the others",
        )
        return msgspec.structs.replace(found, error=error)

    def checked(self, newest: Commit, numbers: set[int]) -> Commit | DamagedCommit:
        """The newest of some commits, or why it is none of this stage's.

        :param numbers: of all commits that are known up to this one.
        """
        if newest.removed or not self._is_detached(newest.revision, numbers):
            return newest
        error = self._detached(newest.revision, max(numbers - {newest.revision}))
        return DamagedCommit(job=self.job, stage=self.stage, revision=newest.revision, error=error)

    def _is_detached(self, revision: int, numbers: set[int]) -> bool:
        """Whether there are earlier commits, but not the one before: no save of ours leaves out a number.

        Where all earlier commits are gone (a rule of the bucket may delete what is old) nothing is wrong. A
        listing may lag, so the commit before is asked for by its name. A tombstone may stand so: a save takes
        its commit back while the job is removed and begun anew.
        """
        if revision - 1 in numbers or len(numbers) == 1:
            return False
        try:
            self.store.bucket.head(commit_key(self.job, self.stage, revision - 1))
        except ObjectNotFoundError:
            return True
        return False

    def _detached(self, revision: int, before: int) -> IntegrityError:
        key = commit_key(self.job, self.stage, revision)
        return IntegrityError(
            f"{key} is no commit of ours: the stage's last revision is {before}, and numbers have no gaps",
            advice="look who wrote that object, and delete it if it is none of yours",
        )

    def current(self, job_mode: JobMode = "DEFAULT") -> Commit:
        """The revision that a reader gets.

        :param job_mode: a dry run's output is given only to another dry run.
        :raises StageNotFoundError: there is none, it was removed, or only a dry run was saved.
        """
        commit = self.newest()
        if commit is None:
            raise self._missing()
        if commit.removed:
            raise StageNotFoundError(
                f"stage {self.stage} of job {self.job} was removed (revision {commit.revision})",
                advice="restore an earlier revision by its number while its bytes are still there",
            )
        if commit.job_mode == "DRY_RUN" and job_mode != "DRY_RUN":
            raise StageNotFoundError(
                f"stage {self.stage} of job {self.job} holds only the output of a dry run",
                advice="run the job in UP42_JOB_MODE=DEFAULT, or read it with job mode DRY_RUN",
            )
        return commit

    def at(self, revision: int) -> Commit:
        """One revision's commit, for a reader.

        :raises RevisionNotFoundError: the stage has no such revision, or it is a tombstone.
        :raises StageNotFoundError: there is no such stage.
        """
        try:
            commit = self.read(revision)
        except ObjectNotFoundError as error:
            revisions = self.revisions()
            if not revisions:
                raise self._missing() from error
            raise self._no_revision(revision, f"it has revisions {_ranges(revisions)}") from error
        if commit.removed:
            raise self._no_revision(revision, "with this revision the stage was removed")
        return commit

    def sound(self, revision: int) -> Commit:
        """Read the commit of one revision, and check that it follows the stage's other commits.

        A reader of one revision does without the check (:meth:`at`): it costs a listing.

        :raises RevisionNotFoundError: the stage has no such revision, or it is a tombstone.
        :raises StageNotFoundError: there is no such stage.
        :raises IntegrityError: the commit is damaged, or was not written by a save of this stage.
        """
        commit = self.at(revision)
        found = self.checked(commit, {number for number in self.revisions() if number <= revision})
        if isinstance(found, DamagedCommit):
            raise found.error
        return found

    def survey(self) -> list[Commit | DamagedCommit]:
        """Read every commit, newest first, tombstones too; of a damaged one, say why it cannot be read.

        :raises StageNotFoundError: there is none.
        """
        revisions = self.revisions()
        if not revisions:
            raise self._missing()
        steps = list(zip([None, *revisions], revisions, strict=False))

        def look(step: tuple[int | None, int]) -> Commit | DamagedCommit | None:
            before, revision = step
            found = self.look(revision)
            numbers = {revision} if before is None else {before, revision}
            return self.checked(found, numbers) if isinstance(found, Commit) else found

        with self.store.transfers() as transfers:
            return [found for found in transfers.map(look, reversed(steps)) if found is not None]

    def states(self, commits: Sequence[Commit]) -> list[State]:
        """What has become of revisions, in the order given: whether each can be restored.

        Pruning deletes an attempt's ``index.json`` first, so the index tells of the revision's own attempt. A
        revision may refer to other attempts as well, which may be gone while its own is there: another
        revision needs only that one. One request for each revision, and one for each stage with attempts that
        are referred to so, side by side.
        """
        with self.store.transfers() as transfers:
            states = list(transfers.map(self._state, commits))
            wanted = {
                owner
                for commit, state in zip(commits, states, strict=True)
                if state == "restorable"
                for owner in set(commit.refers) - {f"{self.stage}/{commit.attempt}"}
            }
            stages = sorted({owner.partition("/")[0] for owner in wanted})
            there = {owner for found in transfers.map(self._attempts, stages) for owner in found}
        return [
            "pruned" if state == "restorable" and not (wanted & set(commit.refers)) <= there else state
            for commit, state in zip(commits, states, strict=True)
        ]

    def _attempts(self, stage: str) -> list[str]:
        """The attempts of a stage of this job that have objects, as ``<stage>/<attempt>``."""
        names = self.store.bucket.prefixes(attempts_prefix(self.job, stage))
        return [f"{stage}/{name}" for name in names]

    def _state(self, commit: Commit) -> State:
        if commit.removed or commit.index is None:
            return "removed"
        try:
            self.store.bucket.head(commit.index.key)
        except ObjectNotFoundError:
            return "pruned"
        return "restorable"

    def is_newest(self, commit: Commit) -> bool:
        """Whether it stands and no later revision exists; a tombstone counts.

        A job that was removed and begun anew uses the same numbers for other revisions.
        """
        if self.revisions()[-1:] != [commit.revision]:
            return False
        standing = self.find(commit.revision)
        return standing is not None and standing.attempt == commit.attempt

    def _has_commits(self, stage: str) -> bool:
        """Whether anything was saved there: what a save that died, or a web console, left has no commit."""
        return self.store.bucket.holds(commits_prefix(self.job, stage))

    def _no_revision(self, revision: int, why: str) -> RevisionNotFoundError:
        return RevisionNotFoundError(
            f"stage {self.stage} of job {self.job} has no revision {revision}: {why}",
            advice=f"`up42-state history --job {self.job} --stage {self.stage}` lists them",
        )

    def _missing(self) -> NotFoundError:
        stages = self.store.stages(self.job)
        if stages:
            others = [
                name
                for name in stages
                if name != self.stage and not shard_of(name) and self._has_commits(name)
            ]
            advice = f"it has {some_names(others)}" if others else "no save of it was finished"
            stem, _, number = self.stage.rpartition("@")
            if stem in others:  # as tables and messages write a revision
                advice = f"the stage is {stem}; revision={number} chooses (restore --revision {number})"
            return StageNotFoundError(f"job {self.job} has no stage {self.stage}", advice=advice)
        return missing_job(self.store, self.job)


def readable(found: Iterable[Commit | DamagedCommit]) -> list[Commit]:
    """Return the commits, if none of them is damaged.

    :raises IntegrityError: one is damaged.
    """
    commits = []
    for item in found:
        if isinstance(item, DamagedCommit):
            raise item.error
        commits.append(item)
    return commits


def missing_job(store: Store, job: str) -> JobNotFoundError:
    """The error for a job that does not exist, naming those that do."""
    jobs = store.jobs()
    others = [name for name in jobs if name != job]
    advice = f"it has {some_names(others)}" if others else "it holds no jobs at all"
    if len(others) < len(jobs):
        advice = "there are objects below this name, but of no save that was finished and not removed"
    return JobNotFoundError(f"{store.bucket.url} has no job {job}", advice=advice)


def _ranges(numbers: list[int]) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
