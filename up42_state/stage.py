"""The handle of a stage, with which people save, restore and read the output of one task of one job.

Methods import what they carry out when they are called, so that a block that only saves does not wait for the
modules that restore.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.contract import INPUT, OUTPUT, check_apart, check_there, quicklooks_in, quicklooks_of
from up42_state.errors import SettingsError
from up42_state.machine.paths import local_path
from up42_state.reading import ReadableStage
from up42_state.stages.format.names import several

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from up42_state.propagation import Propagation
    from up42_state.stages.format.commit import BlockInfo, Commit, JobMode
    from up42_state.stages.read.restore import Restored
    from up42_state.stages.write.publish import IfExists
    from up42_state.stages.write.save import Saved
    from up42_state.updating import Change, Updated

    Progress = Callable[[int, int], None]
    Where = Mapping[str, Any] | Sequence[str]
    PathLike = str | os.PathLike[str]

__all__ = ["Stage"]


class Stage(ReadableStage):
    """The saved output of one task of one job, as a series of revisions.

    Making a ``Stage`` asks nothing of the store: the stage may not exist yet.

    :param job: the job that the task belongs to.
    :param name: the stage's name, usually the task's, such as ``tiling:1``.
    :raises InvalidNameError: ``name`` is no stage name.
    """

    @property
    def _local_roots(self) -> list[str]:
        """The directory on this machine that the store lies in; empty for a store elsewhere."""
        root = self._store.bucket.local_root
        return [root] if root else []

    def save(
        self,
        output: PathLike = OUTPUT,
        *,
        after: Stage | Commit | Iterable[str | Stage | Commit] = (),
        propagate: Stage | Propagation | Iterable[str | Stage | Propagation] = (),
        if_exists: IfExists = "replace",
        expect: int | None = None,
        quicklooks: PathLike | bool = True,
        block: BlockInfo | None = None,
        parameters: Mapping[str, Any] | None = None,
        code: str = "",
        command: Sequence[str] = (),
        merged_by: Mapping[str, Any] | None = None,
        fingerprint: str = "",
        job_mode: JobMode | None = None,
        repair: bool = False,
        progress: Progress | None = None,
    ) -> Saved:
        """Save a block's output as the stage's next revision.

        The output is checked before anything is uploaded. An output that equals the current revision makes
        no new revision.

        :param output: the directory with ``data.json``.
        :param after: the stages that the output was made from, as names or handles (their current revisions
            are recorded), or the commits that were restored.
        :param propagate: earlier stages whose features and files become part of this one, by reference.
        :param if_exists: what to do where the stage has a revision: ``replace`` adds a revision, ``skip``
            keeps the current revision, ``error`` raises an error.
        :param expect: commit only if the newest revision has this number; 0 if there must be no revision.
        :param quicklooks: the directory of quicklooks, besides ``<output>/.quicklooks``; ``True`` for
            ``/tmp/quicklooks`` where the output is ``/tmp/output``, and for ``<output>/.quicklooks`` alone
            elsewhere; ``False`` saves no quicklooks.
        :param block: the name and version of the block that made the output.
        :param parameters: the block's parameters; values that look secret are saved as a digest.
        :param code: what identifies the block's code, such as an image's digest; empty for ``block``.
        :param command: the program and its arguments, without paths of this machine.
        :param merged_by: the options by which several ``after`` stages were merged into one input.
        :param fingerprint: your own in place of ours, a digest of what determines the output.
        :param job_mode: ``DEFAULT`` or ``DRY_RUN``; ``None`` takes ``UP42_JOB_MODE``.
        :param repair: save a mended ``data.json`` where it holds what real blocks are known to write
            (``docs/data-json.md`` lists it); the file in ``output`` stays as it is.
        :param progress: called with bytes done and bytes in all.
        :return: a ``Saved``: ``commit``, current in the end; ``outcome``, whether it is new; ``reports``,
            what became of every propagated feature; ``warnings``; ``changes``, what was mended.
        :raises InvalidOutputError: the output has defects; the error lists all of them.
        :raises FeatureConflictError: features differ, and ``on_conflict`` is ``error``.
        :raises SettingsError: an argument is none of its choices, ``parameters`` are no JSON, a path holds
            NUL, or the store, the output and the quicklooks lie in one another.
        :raises PathNotFoundError: the directory that ``quicklooks`` names does not exist.
        :raises NotFoundError: a stage of ``after`` or ``propagate`` does not exist, or its job or store.
        :raises StageConflictError: ``if_exists`` or ``expect`` forbids a revision after the newest one.
        :raises StorageError: the store failed; the current revision stays.
        """
        from up42_state.stages.format.commit import check_job_mode
        from up42_state.stages.format.recipe import Recipe
        from up42_state.stages.write.publish import Precondition
        from up42_state.stages.write.save import Save

        output_dir = local_path(output)
        quicklooks_dir = quicklooks_of(output_dir, quicklooks)
        check_apart(stores=self._local_roots, output=output_dir, quicklooks=quicklooks_dir)
        check_there(quicklooks)
        mode = check_job_mode(job_mode or self._job_mode)
        code = code or (block.text if block else "")
        recipe = Recipe(
            block=code, command=command, parameters=parameters or {}, job_mode=mode, merged_by=merged_by or {}
        )
        return Save(
            store=self._store,
            job=self.job.key,
            stage=self.name,
            output=output_dir,
            quicklooks=quicklooks_dir,
            parents=tuple(parent.as_parent() for parent in self._parents(after, mode)),
            propagations=tuple(self._propagation(item).resolve() for item in several(propagate)),
            precondition=Precondition(if_exists, expect),
            block=block,
            recipe=recipe,
            fingerprint=fingerprint,
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
        """Restore a revision, or a part of it, into a directory.

        Every byte is verified before a file of the target is touched. A restore that was killed is resumed
        by the next call with the arguments that it had.

        :param target: the directory to fill; it is made if it is not there.
        :param where: properties that features must have, ``{"sensor": "SPOT"}`` or ``["cloud<20"]``.
        :param bbox: west, south, east, north in degrees: only features that touch this box.
        :param ids: only features with these ids.
        :param path: only features with a data path that this glob matches.
        :param revision: a revision's number; ``None`` for the current revision.
        :param overwrite: replace files of the target that are in the way.
        :param partial: leave out features whose files are damaged.
        :param quicklooks: the directory for quicklooks; ``True`` for ``<target>/.quicklooks``, ``False`` for
            none.
        :param job_mode: what a dry run saved is current in ``DRY_RUN`` alone; ``None`` takes
            ``UP42_JOB_MODE``.
        :param progress: called with bytes done and bytes in all.
        :return: a ``Restored``: ``commit``; ``features``, how many were restored; ``written`` and ``kept``,
            names of files that were fetched, and that were there; ``damaged``, names of files with what is
            wrong; ``quicklooks``, the directory that was filled; and ``warnings``.
        :raises NotFoundError: there is no such stage (``StageNotFoundError``), job or store.
        :raises RevisionNotFoundError: the stage has no revision of this number.
        :raises PrunedError: the bytes of the revision were deleted.
        :raises SettingsError: ``target`` or ``quicklooks`` holds NUL, or one of these and the store lie in
            one another.
        :raises TargetConflictError: the target holds other files; they are untouched.
        :raises IntegrityError: stored bytes are damaged; the target is untouched.
        """
        from up42_state.features import Selection
        from up42_state.stages.read.restore import restore
        from up42_state.stages.read.selection import choose, without

        target_dir = local_path(target)
        quicklooks_dir = quicklooks_in(target_dir, quicklooks)
        for filled in (target_dir, quicklooks_dir):
            check_apart(stores=self._local_roots, target=filled)
        return restore(
            self._store,
            self.job.key,
            self.name,
            target_dir,
            revision=revision,
            job_mode=job_mode or self._job_mode,
            choose=choose(Selection.of(where, bbox, ids, path)),
            without=without if partial else None,
            quicklooks=quicklooks_dir,
            overwrite=overwrite,
            progress=progress or _silent,
        )

    def update(
        self,
        change: Change,
        *,
        mark: str | Stage | None = None,
        after: Stage | Commit | Iterable[str | Stage | Commit] = (),
        block: BlockInfo | None = None,
        job_mode: JobMode | None = None,
    ) -> Updated:
        """Change a stage that many jobs change, such as a running maximum, so that no change is lost.

        The change is made to the current revision, and saved if no other revision was saved meanwhile.
        Otherwise it is made again to the newer one. A change with a ``mark`` counts once, however often the
        call is repeated: which marks a revision holds stands in its ``data.json`` (``up42.state.applied``).

        :param change: called with the current features (none at first) and a directory with the current
            files (without ``data.json``). It returns the new collection; or ``None``, if it has changed the
            one that it got. It may be called several times, and changes nothing else.
        :param mark: tells this change from others, usually the stage of the job that makes it. Without one
            the change is made each time.
        :param after: the stages that the change is made from, as names, handles or commits; they become the
            parents of the revision.
        :param block: the name and version of the block that makes the change.
        :param job_mode: ``DEFAULT`` or ``DRY_RUN``; ``None`` takes ``UP42_JOB_MODE``. A dry run changes no
            real revision.
        :return: an ``Updated``: ``commit``, current in the end; ``outcome``; ``before``, the revision that
            the change was made to, also where it was made by an earlier call; ``warnings``.
        :raises SettingsError: ``mark`` is neither text nor a stage, ``after`` holds something else than
            names, stages and commits, or ``job_mode`` is none of its choices.
        :raises NotFoundError: a stage of ``after`` does not exist, or its job or store.
        :raises InvalidOutputError: what the change has made has defects; nothing is saved.
        :raises StageConflictError: others came first for ten minutes.
        :raises IntegrityError: the current revision is damaged.
        """
        from up42_state.stages.format.commit import check_job_mode
        from up42_state.updating import Update

        if not isinstance(mark, (str, ReadableStage, type(None))):
            kind = type(mark).__name__
            advice = "give text, or the stage that makes the change"
            raise SettingsError(f"mark is of type {kind}", advice=advice)
        mode = check_job_mode(job_mode or self._job_mode)
        return Update(
            stage=self,
            change=change,
            mark=str(mark or ""),
            parents=self._parents(after, mode),
            block=block,
            job_mode=mode,
        ).run()

    def delete(self) -> Commit:
        """Remove the stage: commit a tombstone, a revision which says that the stage was removed.

        No bytes are deleted: :meth:`Job.prune` does that; with ``keep=1`` those of all revisions, since a
        tombstone counts as one. A stage whose newest commit is damaged can be removed, and be saved again.

        :return: the commit of the tombstone.
        :raises NotFoundError: there is no such stage (``StageNotFoundError``), job or store.
        """
        from up42_state.stages.upkeep.remove import remove_stage

        return remove_stage(self._store, self.job.key, self.name)

    def _parents(self, after: Stage | Commit | Iterable[str | Stage | Commit], mode: JobMode) -> list[Commit]:
        """Return the commits of earlier stages: those that are given, and the current ones of the others."""
        from up42_state.stages.format.commit import Commit

        parents = []
        for each in several(after):
            earlier = self._sibling(each) if isinstance(each, str) else each
            if not isinstance(earlier, (ReadableStage, Commit)):
                raise SettingsError(
                    f"after holds a value of type {type(earlier).__name__}",
                    advice="give names, stages or commits",
                )
            parents.append(earlier.latest(mode) if isinstance(earlier, ReadableStage) else earlier)
        return parents

    def _sibling(self, stage: str | Stage) -> Stage:
        return self.job.stage(stage) if isinstance(stage, str) else stage

    def _propagation(self, item: str | Stage | Propagation) -> Propagation:
        from up42_state.propagation import Propagation

        return item if isinstance(item, Propagation) else Propagation(stages=(self._sibling(item),))


def _silent(_done: int, _total: int) -> None:
    """Show no progress."""
