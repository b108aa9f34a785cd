"""A revision of a stage as documents are made of it: its features, its files, and where their bytes lie."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from up42_state.buckets.keys import join
from up42_state.errors import SettingsError
from up42_state.features import Collection, Files, data_paths
from up42_state.features.crs import Crs
from up42_state.features.merge.matching.provenance_keys import Keys
from up42_state.publish.stac.fields import COLLECTION_MEMBERS
from up42_state.stages.format.names import commit_key, shard_of
from up42_state.stages.revision import load

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from up42_state.stage import Stage
    from up42_state.stages.format.commit import Commit, Parent
    from up42_state.stages.format.index import Entry
    from up42_state.state import Job

__all__ = ["Source", "opened", "stages_of"]


class Source:
    """One revision, read and checked.

    :param stage: the stage.
    :param commit: the revision's commit.
    :param sign: how long addresses of files are to be good for whoever has them; ``None`` for addresses that
        take credentials.
    """

    def __init__(self, stage: Stage, commit: Commit, sign: timedelta | None) -> None:
        self.commit = commit
        self._bucket = stage.job.state.store.bucket
        self._sign = sign
        contents = load(stage.job.state.store, commit)
        self.index = contents.index
        self.collection = Collection(contents.data)
        self.crs = Crs.of(self.collection)
        self.files = Files((entry.as_file() for entry in self.index.entries), self.index.directories)
        self._entries = {(entry.kind, entry.path): entry for entry in self.index.entries}
        self._addresses: dict[int, str] = {}

    @property
    def identity(self) -> str:
        """The stage as provenance names it, without its revision."""
        return f"{self.commit.job}/{self.commit.stage}"

    @property
    def members(self) -> dict[str, Any]:
        """What the collection says besides its features, such as marks of changes; the system stays aside."""
        names = (name for name in self.collection.members if name not in COLLECTION_MEMBERS)
        return {name: self.collection.member(name) for name in names}

    @cached_property
    def named_paths(self) -> frozenset[str]:
        """The data paths of all features: a file that one of them names is no sidecar of another."""
        if self.files.is_empty:
            return frozenset()
        found = (data_paths(feature.properties, self.files) for feature in self.collection)
        return frozenset(path for named in found for path in named.values())

    @cached_property
    def keys(self) -> Keys:
        """The keys by which provenance names the features."""
        return Keys(self.collection, self.collection.ids)

    def entry(self, kind: str, path: str) -> Entry:
        """The entry of a file that is known to be there."""
        return self._entries["quicklook" if kind == "quicklook" else "file", path]

    def address(self, entry: Entry) -> str:
        """The URL of the object that holds a file's bytes; each object is signed once."""
        if entry.object not in self._addresses:
            key = join(self.commit.job, self.index.objects[entry.object].key)
            bucket = self._bucket
            self._addresses[entry.object] = (
                bucket.signed_url(key, self._sign) if self._sign else bucket.object_url(key)
            )
        return self._addresses[entry.object]

    def commit_address(self, of: Commit | Parent) -> str:
        """The URL of the commit of a revision in this store. It is never signed: commits hold parameters."""
        return self._bucket.object_url(commit_key(of.job, of.stage, of.revision))


def stages_of(job: Job) -> list[Stage]:
    """Return the stages of a job that a document of the whole job holds: all but shards and removed ones."""
    return [stage for stage in job.stages() if not shard_of(stage.name)]


def opened(stages: Iterable[Stage], revision: int | None, sign: timedelta | None) -> list[Source]:
    """Read revisions.

    :param revision: the number of the revision, where there is one stage; ``None`` for the current ones.
    :raises SettingsError: there is no stage, a stage is named twice, or a revision is given for several.
    """
    chosen = list(stages)
    if not chosen:
        raise SettingsError(
            "there is no stage to make a document of", advice="name a stage, or a job that has one"
        )
    if revision is not None and len(chosen) > 1:
        raise SettingsError("a revision is given for several stages", advice="give it with one stage")
    names = [(stage.job.state.store.identity, stage.job.key, stage.name) for stage in chosen]
    if len(set(names)) < len(names):
        raise SettingsError("a stage is named twice", advice="name each stage once")
    commits = [stage.latest() if revision is None else stage.revision(revision) for stage in chosen]
    return [Source(stage, commit, sign) for stage, commit in zip(chosen, commits, strict=True)]
