"""Whether the objects of a revision are in the store, as far as a listing tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.errors import ObjectNotFoundError
from up42_state.stages.format.names import attempt_prefix

if TYPE_CHECKING:
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.index import Index
    from up42_state.stages.store import Store

__all__ = ["lost_objects"]

_MANY = 100  # listings; a page of one holds 1,000 objects


def lost_objects(store: Store, commit: Commit, index: Index) -> list[str]:
    """The keys of the objects of a revision that are not there in their full size; their bytes are not read.

    :param index: of the revision.
    """
    assert commit.data is not None
    wanted = {f"{commit.job}/{stored.key}": stored.size for stored in index.objects}
    wanted[commit.data.key] = commit.data.size
    with store.transfers() as transfers:
        listings = transfers.map(lambda prefix: list(store.bucket.list(prefix)), _prefixes(commit))
        found = {info.key: info.size for listed in listings for info in listed}
        missing = [key for key, size in wanted.items() if found.get(key) != size]
        asked = transfers.map(lambda key: _size(store, key), missing)  # a listing may lag
        return [key for key, size in zip(missing, asked, strict=True) if size != wanted[key]]


def _prefixes(commit: Commit) -> list[str]:
    """What to list to find all attempts that hold bytes of a revision: each, or the job where they are many.

    A stage that was put together from shards refers to as many attempts as it had shards.
    """
    if len(commit.refers) > _MANY:
        return [f"{commit.job}/"]
    owners = (owner.split("/", 1) for owner in commit.refers)
    return [attempt_prefix(commit.job, stage, attempt) for stage, attempt in owners]


def _size(store: Store, key: str) -> int | None:
    try:
        return store.bucket.head(key).size
    except ObjectNotFoundError:
        return None
