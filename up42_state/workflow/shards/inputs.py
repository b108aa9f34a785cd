"""Where the parts of an input come from: a directory that holds the whole input, or the store."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Protocol

import msgspec

from up42_state.block.inputs import Inputs
from up42_state.contract import DATA_JSON
from up42_state.features import Collection, scan
from up42_state.stages.local.directory import OURS, writing_to
from up42_state.stages.local.installation import Installation, Plan
from up42_state.stages.propagate.into_directory import fetch_added
from up42_state.stages.read.selection import catalogue
from up42_state.workflow.shards.cut import split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from up42_state.block.inputs import PlannedInput
    from up42_state.stage import Stage
    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.workflow.shards.cut import Shard

__all__ = ["RestoredInput", "StoredInput", "WholeInput"]


class WholeInput(Protocol):
    """The input of a task in shards."""

    def split(self, task: str, chunk: int) -> list[Shard]:
        """Cut the input into shards.

        :param task: the task's name.
        :param chunk: features in a shard at most.
        :raises InvalidDataError: its ``data.json`` is none.
        """

    def fill(self, shard: Shard, target: Path) -> None:
        """Put a shard into an empty directory: its ``data.json``, and the files that its features carry."""


class RestoredInput(msgspec.Struct, frozen=True, kw_only=True):
    """An input that was restored on this machine. Each file is fetched once, however many shards carry it.

    :param whole: the directory of the whole input, which has no defects.
    :param linked: a shard's files are second names of the whole input's, for a block that cannot write there.
    """

    whole: Path
    linked: bool = True

    def split(self, task: str, chunk: int) -> list[Shard]:
        """See :class:`WholeInput`."""
        collection = Collection.read(self.whole / DATA_JSON)
        return split(task, collection, scan(self.whole, ignore=(OURS,)).files, chunk)

    def fill(self, shard: Shard, target: Path) -> None:
        """See :class:`WholeInput`."""
        for path in sorted(shard.directories):
            (target / path).mkdir(parents=True, exist_ok=True)
        for path in sorted(shard.files):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (_link if self.linked else shutil.copy2)(self.whole / path, target / path)
        (target / DATA_JSON).write_bytes(shard.data)


class StoredInput(msgspec.Struct, frozen=True, kw_only=True):
    """An input that lies in the store. Its ``data.json`` is read; a shard's files are fetched for the shard.

    :param planned: the merge of the stages that the input is made of, or the one stage.
    """

    planned: PlannedInput

    @classmethod
    def read(cls, stages: Sequence[Stage], job_mode: JobMode = "DEFAULT") -> StoredInput:
        """Read the current revisions of the stages that an input is made of.

        :param stages: at least one.
        :raises NotFoundError: there is no such stage.
        :raises IntegrityError: a revision is damaged.
        """
        return cls(planned=Inputs(stages=stages, job_mode=job_mode).planned())

    @property
    def commits(self) -> Sequence[Commit]:
        """The revisions that the input is made of."""
        return self.planned.commits

    def split(self, task: str, chunk: int) -> list[Shard]:
        """See :class:`WholeInput`."""
        merging = self.planned.merging
        entries = (added.renamed for added in self.planned.files)
        return split(task, Collection(merging.data), catalogue(entries, merging.directories), chunk)

    def fill(self, shard: Shard, target: Path) -> None:
        """See :class:`WholeInput`. Every byte is verified.

        :raises PrunedError: a revision was superseded and pruned meanwhile.
        :raises IntegrityError: stored bytes are damaged.
        """
        files = [added for added in self.planned.files if added.path in shard.files]
        plan = Plan(
            what=f"{self.planned.made_of} {shard.stage}",
            data=shard.data,
            entries=[added.renamed for added in files],
            directories=[path for path in self.planned.merging.directories if path in shard.directories],
        )
        with writing_to(target), Installation(target) as installation:
            installation.begin(plan)
            fetch_added(installation, files)
            installation.switch(plan)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where the file system has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
