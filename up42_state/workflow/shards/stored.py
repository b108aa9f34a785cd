"""The shards of a task as they stand in the store: each a stage of its own, put together into the task's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.errors import IntegrityError, NotFoundError
from up42_state.stages.format.recipe import fingerprint
from up42_state.stages.propagate.merged_output import EarlierStage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from up42_state.stages.format.commit import Commit
    from up42_state.stages.write.save import Save, Saved
    from up42_state.workflow.shards.cut import Shard
    from up42_state.workflow.task import StoredTask

__all__ = ["StoredShards"]


class StoredShards:
    """What is saved of a task shard by shard.

    :param stored: the task.
    """

    def __init__(self, stored: StoredTask) -> None:
        self._stored = stored
        self._store = stored.job.state.store

    def fingerprint(self, content: str) -> str:
        """The digest of what determines a shard's output, in which the whole input has no part.

        :param content: the digest of what the shard holds.
        """
        recipe = self._stored.planner.recipe(self._stored.task)
        return fingerprint(recipe.components([("", content)]))

    def newest(self, shards: Sequence[Shard]) -> dict[str, Commit]:
        """Read the newest revisions of the shards that have any, by their stages."""
        wanted = {shard.stage for shard in shards}
        there = [name for name in self._store.stages(self._stored.job.key) if name in wanted]
        with self._store.transfers() as transfers:
            found = transfers.map(lambda name: self._stored.planner.history(name).newest(), there)
            return {name: commit for name, commit in zip(there, found, strict=True) if commit is not None}

    def find(self, shards: Sequence[Shard], newest: Mapping[str, Commit]) -> dict[str, EarlierStage]:
        """Read the shards that are done, by their stages.

        :param newest: what :meth:`newest` gave.
        """
        wanted = {shard.stage: self.fingerprint(shard.content) for shard in shards if shard.stage in newest}
        done = (
            commit
            for name, commit in newest.items()
            if not commit.removed and commit.fingerprint == wanted[name]
        )
        return self.read(done, is_strict=False)

    def read(self, commits: Iterable[Commit], *, is_strict: bool = True) -> dict[str, EarlierStage]:
        """Read shards, by their stages.

        :param is_strict: a shard whose bytes are gone or damaged is an error; otherwise it is left out.
        """

        def read(commit: Commit) -> EarlierStage | None:
            try:
                return EarlierStage.read(self._store, commit)
            except (NotFoundError, IntegrityError):
                if is_strict:
                    raise
                return None

        with self._store.transfers() as transfers:
            return {part.name: part for part in transfers.map(read, list(commits)) if part is not None}

    def saving(self, stage: str, content: str, output: Path, quicklooks: Path | None, **more: Any) -> Save:
        """The save of what a block made of one shard.

        :param stage: the shard's.
        :param content: the digest of what the shard holds.
        """
        return self._stored.saving(stage, output, quicklooks, fingerprint=self.fingerprint(content), **more)

    def put_together(
        self,
        shards: Sequence[Shard],
        parts: Mapping[str, EarlierStage],
        *,
        missing: tuple[str, ...] = (),
        **more: Any,
    ) -> Saved:
        """Save the task's stage from its shards, by reference.

        :param parts: the shards that were read, by their stages; others are left out.
        :param missing: features of the shards that are left out.
        """
        stored = self._stored
        return stored.saving(
            stored.task.name,
            Path(),  # which is not read: the parts take its place
            None,
            propagations=stored.propagations,
            parts=[parts[shard.stage] for shard in shards if shard.stage in parts],
            missing=missing,
            **more,
        ).run()
