"""A stage: the saved output of one task of one job, as people handle it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.contract import INPUT, OUTPUT, check_apart, check_there, quicklooks_in, quicklooks_of
from up42_state.machine.paths import local_path
from up42_state.stages.format.names import check_stage, several
from up42_state.stages.history import History, readable

if TYPE_CHECKING:
    import io
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import geojson

    from up42_state.propagation import Propagation
    from up42_state.stages.format.commit import BlockInfo, Commit, JobMode
    from up42_state.stages.format.index import Entry
    from up42_state.stages.history import DamagedCommit
    from up42_state.stages.read.restore import Restored
    from up42_state.stages.store import Store
    from up42_state.stages.upkeep.verify import Verified
    from up42_state.stages.write.publish import IfExists
    from up42_state.stages.write.save import Saved
    from up42_state.state import Job

    Progress = Callable[[int, int], None]
    Where = Mapping[str, Any] | Sequence[str]
    PathLike = str | os.PathLike[str]

__all__ = ["Stage"]


class Stage:
    """The saved output of one task of one job.

    :raises InvalidNameError: ``name`` is no stage name.
    """

    def __init__(self, job: Job, name: str) -> None:
        self.job = job
        self.name = check_stage(name)

    @property
    def _store(self) -> Store:
        return self.job.state.store

    @property
    def _local_roots(self) -> list[str]:
        """The store's directory, where it is one of this machine."""
        root = self._store.bucket.local_root
        return [root] if root else []

    @property
    def _history(self) -> History:
        return History(self._store, self.job.key, self.name)

    def save(
        self,
        output: PathLike = OUTPUT,
        *,
        after: Iterable[str | Stage | Commit] = (),
        propagate: Iterable[str | Stage | Propagation] = (),
        if_exists: IfExists = "replace",
        expect: int | None = None,
        quicklooks: PathLike | bool = True,
        block: BlockInfo | None = None,
        parameters: Mapping[str, Any] | None = None,
        fingerprint: str = "",
        job_mode: JobMode | None = None,
        repair: bool = False,
        progress: Progress | None = None,
    ) -> Saved:
        """Save a block's output as the stage's next revision.

        The output is checked first and nothing is uploaded while it has a defect. Content that equals the
        current revision's makes no new one.

        :param output: the directory with ``data.json``.
        :param after: the stages that the output was made from: their current revisions, or the commits that
            were restored.
        :param propagate: earlier stages whose features and files become part of this one, by reference.
        :param if_exists: ``replace`` adds a revision, ``skip`` gives the current one, ``error`` raises.
        :param expect: commit only if the newest revision has this number (0: if there is none).
        :param quicklooks: their directory, besides ``<output>/.quicklooks``; ``True`` for ``/tmp/quicklooks``
            beside ``/tmp/output``, and for that in the output alone elsewhere; ``False`` saves none.
        :param block: the block that made the output.
        :param parameters: the block's parameters.
        :param fingerprint: digest of what determines the output.
        :param job_mode: ``DEFAULT`` or ``DRY_RUN``; ``None`` takes ``UP42_JOB_MODE``.
        :param repair: save a mended ``data.json`` where it holds what real blocks are known to write
            (``docs/data-json.md`` lists it); the file in ``output`` stays as it is.
        :param progress: called with bytes done and bytes in all.
        :return: the commit that stands in the end, whether it is new, what became of every propagated
            feature, what should be looked at, and what was mended.
        :raises InvalidOutputError: the output has defects, all of which it lists.
        :raises SettingsError: ``parameters`` cannot be written as JSON, a path cannot be one, or
            ``if_exists`` or ``job_mode`` is none of its choices; or the store, the output and the quicklooks
            lie in one another.
        :raises StageConflictError: ``if_exists`` or ``expect`` does not allow for what is there.
        """
        from up42_state.stages.format.commit import Commit, check_job_mode, mask_secrets
        from up42_state.stages.write.publish import Precondition
        from up42_state.stages.write.save import Save

        folder = local_path(output)
        pictures = quicklooks_of(folder, quicklooks)
        check_apart(stores=self._local_roots, output=folder, quicklooks=pictures)
        check_there(quicklooks)
        mode = check_job_mode(job_mode or self._job_mode)
        parents = [
            made if isinstance(made, Commit) else self._sibling(made).latest(mode) for made in several(after)
        ]
        return Save(
            store=self._store,
            job=self.job.key,
            stage=self.name,
            output=folder,
            quicklooks=pictures,
            parents=tuple(parent.as_parent() for parent in parents),
            propagations=tuple(self._propagation(item).resolve() for item in several(propagate)),
            precondition=Precondition(if_exists, expect),
            block=block,
            parameters=mask_secrets(parameters or {}),
            fingerprint=fingerprint,
            job_mode=mode,
            progress=progress or _silent,
            mend=repair,
        ).run()

    def restore(
        self,
        target: PathLike = INPUT,
        *,
        where: Where | None = None,
        bbox: Sequence[float] | None = None,
        ids: Iterable[str | int] | None = None,
        path: str | None = None,
        revision: int | None = None,
        overwrite: bool = False,
        partial: bool = False,
        quicklooks: PathLike | bool = True,
        job_mode: JobMode | None = None,
        progress: Progress | None = None,
    ) -> Restored:
        """Restore a revision, or a part of it, into a directory; verified, and resumed after a kill.

        :param where: properties that features must have, ``{"sensor": "SPOT"}`` or ``["cloud<20"]``.
        :param bbox: west, south, east, north in degrees; features that touch it.
        :param ids: ids of features.
        :param path: a glob over data paths.
        :param revision: its number; ``None`` for the current one.
        :param overwrite: replace files that are in the way.
        :param partial: restore what is undamaged, and leave out features whose files are damaged.
        :param quicklooks: where they go; ``True`` for ``<target>/.quicklooks``, ``False`` to leave them out.
        :param job_mode: whose current revision: only ``DRY_RUN`` gets what a dry run saved; ``None`` takes
            ``UP42_JOB_MODE``.
        :param progress: called with bytes done and bytes in all.
        :return: the commit that was restored, what was written, what was there already, what is damaged,
            and what should be looked at.
        :raises NotFoundError: there is no such stage or revision.
        :raises SettingsError: ``target`` or ``quicklooks`` cannot be a path (it holds NUL), or lies in the
            store, or the store in it.
        :raises TargetConflictError: the target holds other files; it is untouched.
        :raises IntegrityError: stored bytes are damaged; the target is untouched.
        """
        from up42_state.features import Selection
        from up42_state.stages.read.restore import restore
        from up42_state.stages.read.selection import choose, without

        folder = local_path(target)
        pictures = quicklooks_in(folder, quicklooks)
        for filled in (folder, pictures):
            check_apart(stores=self._local_roots, target=filled)
        return restore(
            self._store,
            self.job.key,
            self.name,
            folder,
            revision=revision,
            job_mode=job_mode or self._job_mode,
            choose=choose(Selection.of(where, bbox, ids, path)),
            without=without if partial else None,
            quicklooks=pictures,
            overwrite=overwrite,
            progress=progress or _silent,
        )

    def latest(self, job_mode: JobMode | None = None) -> Commit:
        """The current revision's commit.

        :param job_mode: only ``DRY_RUN`` gets what a dry run saved; ``None`` takes ``UP42_JOB_MODE``.
        :raises StageNotFoundError: there is none.
        """
        return self._history.current(job_mode or self._job_mode)

    def revision(self, number: int) -> Commit:
        """One revision's commit.

        :raises RevisionNotFoundError: there is none of this number.
        """
        return self._history.at(number)

    def history(self) -> list[Commit]:
        """Every revision's commit, newest first; removals too.

        :raises StageNotFoundError: there is none.
        :raises IntegrityError: one is damaged (:meth:`survey` gives the others).
        """
        return readable(self._history.survey())

    def survey(self) -> list[Commit | DamagedCommit]:
        """Every revision's commit, newest first; of a damaged one, its revision and why it cannot be read.

        :raises StageNotFoundError: there is none.
        """
        return self._history.survey()

    def states(self, commits: Sequence[Commit]) -> list[str]:
        """Whether revisions of this stage can be restored.

        :param commits: as of :meth:`history`.
        :return: for each ``restorable``, ``pruned``, or ``removed`` for a tombstone.
        """
        return list(self._history.states(commits))

    def exists(self) -> bool:
        """Whether the stage can be restored."""
        newest = self._history.newest()
        return newest is not None and newest.is_current(self._job_mode)

    def data(self, revision: int | None = None) -> bytes:
        """The bytes of ``data.json``.

        :raises IntegrityError: they are missing or damaged.
        """
        from up42_state.stages.revision import load_data

        return load_data(self._store, self._commit(revision))

    def features(self, revision: int | None = None) -> geojson.FeatureCollection:
        """The stage's features."""
        from up42_state.features.objects import feature_collection

        return feature_collection(self.data(revision))

    def files(self, revision: int | None = None) -> tuple[Entry, ...]:
        """Every file of the stage: path, kind, size in bytes, SHA-256."""
        from up42_state.stages.revision import load_index

        return load_index(self._store, self._commit(revision)).entries

    def open(self, path: str, revision: int | None = None) -> io.BufferedReader:
        """A seekable, read-only binary file over verified range reads.

        :param path: relative to the output; quicklooks lie below ``.quicklooks/``.
        :raises PathNotFoundError: the stage holds no such file.
        """
        from up42_state.stages.read.reader import open_entry
        from up42_state.stages.revision import load_index

        commit = self._commit(revision)
        return open_entry(self._store, commit, load_index(self._store, commit), path)

    def vsi_path(self, path: str, revision: int | None = None) -> str:
        """The file's path for GDAL and rasterio, without a download; a directory's too.

        What goes through GDAL is not verified. Give it :meth:`State.gdal_env` as its configuration.

        :raises PathNotFoundError: the stage holds no such file.
        """
        from up42_state.stages.read.gdal import vsi_path
        from up42_state.stages.revision import load_index

        commit = self._commit(revision)
        return vsi_path(self._store, commit, load_index(self._store, commit), path)

    def verify(self, revision: int | None = None, progress: Progress | None = None) -> Verified:
        """Read every byte of a revision and compare it with its digest.

        :param revision: its number; ``None`` for the newest.
        """
        from up42_state.stages.upkeep.verify import verify_stage

        return verify_stage(
            self._store, self.job.key, self.name, revision=revision, progress=progress or _silent
        )

    def delete(self) -> Commit:
        """Remove the stage: a revision that says so. :meth:`Job.prune` frees the bytes of those that it
        pushes out of the kept ones, which with ``keep=1`` are all. A stage whose newest commit is damaged
        can be removed, too, and saved again.

        :raises StageNotFoundError: there is no such stage.
        """
        from up42_state.stages.upkeep.remove import remove_stage

        return remove_stage(self._store, self.job.key, self.name)

    @property
    def _job_mode(self) -> JobMode:
        return self.job.state.settings.job_mode

    def _commit(self, revision: int | None) -> Commit:
        return self.latest() if revision is None else self.revision(revision)

    def _sibling(self, stage: str | Stage) -> Stage:
        return self.job.stage(stage) if isinstance(stage, str) else stage

    def _propagation(self, item: str | Stage | Propagation) -> Propagation:
        from up42_state.propagation import Propagation

        return item if isinstance(item, Propagation) else Propagation(stages=(self._sibling(item),))

    def __repr__(self) -> str:
        return f"{self.job!r}.stage({self.name!r})"

    def __str__(self) -> str:
        return f"{self.job.key}/{self.name}"


def _silent(_done: int, _total: int) -> None:
    """No progress is shown."""
