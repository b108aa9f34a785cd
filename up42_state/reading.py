"""The part of a stage's handle that reads: commits, features and files, without restoring them.

Methods import what they carry out when they are called, so that a block that only saves does not wait for the
modules that read.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from up42_state.stages.format.names import check_stage
from up42_state.stages.history import History, readable
from up42_state.tables import Rows

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Sequence

    from up42_state.features.objects import FeatureCollection
    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.format.index import Entry
    from up42_state.stages.history import DamagedCommit
    from up42_state.stages.read.difference import Difference
    from up42_state.stages.store import Store
    from up42_state.stages.upkeep.verify import Verified
    from up42_state.state import Job

    Progress = Callable[[int, int], None]

__all__ = ["ReadableStage"]


class ReadableStage:
    """What can be read of a stage; :class:`~up42_state.Stage` is the whole handle.

    :param job: the job that the task belongs to.
    :param name: the stage's name.
    :raises InvalidNameError: ``name`` is no stage name.
    """

    def __init__(self, job: Job, name: str) -> None:
        self._job = job
        self._name = check_stage(name)

    @property
    def job(self) -> Job:
        """The job that the stage belongs to."""
        return self._job

    @property
    def name(self) -> str:
        """The stage's name, such as ``tiling:1``."""
        return self._name

    def latest(self, job_mode: JobMode | None = None) -> Commit:
        """Return the commit of the current revision.

        :param job_mode: what a dry run saved is current in ``DRY_RUN`` alone; ``None`` takes
            ``UP42_JOB_MODE``.
        :raises NotFoundError: the stage does not exist, was removed, or holds only a dry run
            (``StageNotFoundError``); or there is no such job or store.
        :raises IntegrityError: the newest commit is damaged; an older one is never taken in its place.
        """
        return self._history.current(job_mode or self._job_mode)

    def revision(self, number: int) -> Commit:
        """Return the commit of one revision.

        :param number: the revision's number, from 1.
        :raises NotFoundError: there is no such stage (``StageNotFoundError``), job or store.
        :raises RevisionNotFoundError: the stage has no revision of this number, or was removed with it.
        :raises IntegrityError: the commit is damaged.
        """
        return self._history.at(number)

    def history(self) -> list[Commit]:
        """Return the commits of all revisions, newest first, tombstones included.

        :raises NotFoundError: there is no such stage (``StageNotFoundError``), job or store.
        :raises IntegrityError: a commit is damaged (:meth:`survey` gives the others).
        """
        return Rows(readable(self._history.survey()), lambda commit: {"commit": commit.name, **commit.cells})

    def survey(self) -> list[Commit | DamagedCommit]:
        """Return the commits of all revisions, newest first, without an error for damaged ones.

        A ``DamagedCommit`` stands for a damaged commit: it has the revision, and why that cannot be read.

        :raises NotFoundError: there is no such stage (``StageNotFoundError``), job or store.
        """
        return self._history.survey()

    def states(self, commits: Sequence[Commit]) -> list[str]:
        """Tell which revisions of this stage can be restored.

        :param commits: commits of this stage, from :meth:`history`.
        :return: for each commit ``restorable``, ``pruned`` (its bytes were deleted), or ``removed`` (a
            tombstone).
        """
        return list(self._history.states(commits))

    def exists(self) -> bool:
        """Return True if the stage has a current revision in the job mode of the settings.

        :raises IntegrityError: the newest commit is damaged.
        """
        newest = self._history.newest()
        return newest is not None and newest.is_current(self._job_mode)

    def data(self, revision: int | None = None) -> bytes:
        """Read and verify the bytes of ``data.json``.

        :param revision: a revision's number; ``None`` for the current revision.
        :raises NotFoundError: there is no such stage or revision.
        :raises PrunedError: the bytes of the revision were deleted.
        :raises IntegrityError: ``data.json`` is missing or damaged.
        """
        from up42_state.stages.revision import load_data

        return load_data(self._store, self._commit(revision))

    def features(self, revision: int | None = None) -> FeatureCollection:
        """Read the features of the stage.

        :param revision: a revision's number; ``None`` for the current revision.
        :return: a ``FeatureCollection`` that belongs to the caller; changing it changes nothing in the store.
        :raises NotFoundError: there is no such stage or revision.
        :raises IntegrityError: ``data.json`` is missing or damaged.
        """
        from up42_state.features.objects import feature_collection

        return feature_collection(self.data(revision))

    def files(self, revision: int | None = None) -> tuple[Entry, ...]:
        """List the files of the stage, sorted by kind and path; ``data.json`` is none of them.

        :param revision: a revision's number; ``None`` for the current revision.
        :return: for each file an ``Entry``: ``path``, ``kind``, ``size`` in bytes, ``sha256`` in hex.
        :raises NotFoundError: there is no such stage or revision.
        :raises IntegrityError: the index of the revision is missing or damaged.
        """
        from up42_state.stages.revision import load_index

        return load_index(self._store, self._commit(revision)).entries

    def open(self, path: str | os.PathLike[str], revision: int | None = None) -> io.BufferedReader:
        """Open one file for reading, without restoring it.

        The file is seekable. What is read is fetched by range requests, and verified.

        :param path: the file's path below the output; quicklooks lie below ``.quicklooks/``.
        :param revision: a revision's number; ``None`` for the current revision.
        :return: a binary file; reading damaged bytes from it raises an
            :class:`~up42_state.errors.IntegrityError`.
        :raises NotFoundError: there is no such stage or revision.
        :raises PathNotFoundError: the stage holds no such file.
        """
        from up42_state.stages.read.reader import open_entry
        from up42_state.stages.revision import load_index

        commit = self._commit(revision)
        return open_entry(self._store, commit, load_index(self._store, commit), os.fspath(path))

    def vsi_path(self, path: str | os.PathLike[str], revision: int | None = None) -> str:
        """Return the path under which GDAL and rasterio open a file or a directory in the store.

        Nothing is downloaded first or verified. GDAL needs the options of ``State.gdal_env``.

        :param path: the path of the file or directory below the output.
        :param revision: a revision's number; ``None`` for the current revision.
        :return: a path for GDAL, such as ``/vsis3/…`` or ``/vsizip/…``.
        :raises PathNotFoundError: the stage holds no such file, or packs hold the files of the directory.
        :raises UnsupportedStoreError: GDAL cannot read this store.
        """
        from up42_state.stages.read.gdal import vsi_path
        from up42_state.stages.revision import load_index

        commit = self._commit(revision)
        return vsi_path(self._store, commit, load_index(self._store, commit), os.fspath(path))

    def verify(self, revision: int | None = None, progress: Progress | None = None) -> Verified:
        """Read every byte of a revision and compare all bytes with their digests.

        :param revision: a revision's number; ``None`` for the newest revision.
        :param progress: called with bytes done and bytes in all.
        :return: a ``Verified``: ``ok`` is True if nothing is damaged, and ``damage`` names what is.
        :raises NotFoundError: there is no such stage or revision.
        :raises PrunedError: the bytes of the revision were deleted.
        """
        from up42_state.stages.upkeep.verify import verify_stage

        return verify_stage(
            self._store, self.job.key, self.name, revision=revision, progress=progress or _silent
        )

    def diff(
        self,
        other: ReadableStage,
        *,
        revision: int | None = None,
        other_revision: int | None = None,
        match: Sequence[tuple[str, str]] | None = None,
    ) -> Difference:
        """Tell what differs between a revision of this stage and a newer one, of this stage or of another.

        Which feature of one is which of the other is told by the rules of a propagation.

        :param other: the stage of the newer revision; it may be this one.
        :param revision: the number of this stage's revision; ``None`` for the current revision.
        :param other_revision: the number of the other's revision; ``None`` for the current revision.
        :param match: pairs (member of the newer feature, of the older one) that tell the same feature, in
            place of the rules.
        :return: a ``Difference``: ``is_equal``; features ``added``, ``removed`` and ``changed``; names of
            files in ``files_added``, ``files_removed`` and ``files_changed``.
        :raises NotFoundError: there is no such stage or revision.
        :raises PrunedError: the bytes of a revision were deleted.
        :raises IntegrityError: an index or a ``data.json`` is missing or damaged.
        """
        from up42_state.stages.read.difference import compare_revisions

        before, after = self._commit(revision), other._commit(other_revision)
        return compare_revisions((self._store, before), (other._store, after), match)

    @property
    def _store(self) -> Store:
        return self.job.state.store

    @property
    def _history(self) -> History:
        return History(self._store, self.job.key, self.name)

    @property
    def _job_mode(self) -> JobMode:
        return self.job.state.settings.job_mode

    def _commit(self, revision: int | None) -> Commit:
        return self.latest() if revision is None else self.revision(revision)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReadableStage):
            return NotImplemented
        return (self.name, self.job) == (other.name, other.job)

    def __hash__(self) -> int:
        return hash((self.name, self.job))

    def __repr__(self) -> str:
        return f"{self.job!r}.stage({self.name!r})"

    def __str__(self) -> str:
        return f"{self.job.key}/{self.name}"


def _silent(_done: int, _total: int) -> None:
    """Show no progress."""
