"""The propagation operator between stored stages: earlier stages are read, their files referred to."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from up42_state.features import Collection, Earlier, File, Files, merge
from up42_state.stages.contents import Contents, load
from up42_state.stages.index import DataObject, Entry
from up42_state.stages.names import attempt_prefix
from up42_state.stages.upload import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from up42_state.features import Addition, Merge, Report
    from up42_state.stages.propagation import Propagation
    from up42_state.stages.references import References
    from up42_state.stages.store import Store

__all__ = ["EarlierStage", "apply", "catalogue", "earlier_stages", "refer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierStage:
    """An earlier stage, read: its contents, and the store that it lies in."""

    store: Store
    contents: Contents

    @property
    def job(self) -> str:
        """Its job's key."""
        return self.contents.commit.job

    @property
    def name(self) -> str:
        """Its stage's name."""
        return self.contents.commit.stage


def earlier_stages(propagation: Propagation) -> list[EarlierStage]:
    """Read the stages that are to be propagated.

    :raises NotFoundError: one does not exist.
    :raises IntegrityError: one is damaged.
    """
    return [
        EarlierStage(store=stage.job.state.store, contents=load(stage.job.state.store, commit))
        for stage, commit in propagation.commits()
    ]


def catalogue(contents: Contents) -> Files:
    """A stored revision's files, as merging looks things up in them."""
    files = (
        File(path=e.path, kind=e.kind, size=e.size, sha256=e.sha256, executable=e.executable)
        for e in contents.index.entries
    )
    return Files(files, contents.index.directories)


def apply(
    collection: Collection, files: Files, propagation: Propagation, stages: Sequence[EarlierStage]
) -> Merge:
    """Merge earlier stages into a collection, as the propagation asks for."""
    properties = propagation.properties
    if propagation.manifest is not None:
        properties = propagation.manifest.inherited_keys()
    return merge(
        collection,
        files,
        [
            Earlier(
                job=stage.job,
                stage=stage.name,
                revision=stage.contents.commit.revision,
                collection=Collection.read(stage.contents.data),
                files=catalogue(stage.contents),
            )
            for stage in stages
        ],
        form=propagation.form,
        match=propagation.match,
        on_conflict=propagation.on_conflict,
        selection=propagation.selection,
        properties=properties,
    )
