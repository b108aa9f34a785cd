"""A revision's contents: its ``data.json`` and its index, read and checked."""

from __future__ import annotations

import hashlib
import mmap
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from up42_state.errors import IntegrityError, ObjectNotFoundError, PrunedError
from up42_state.stages.format.damage import ASK_VERIFY, damaged
from up42_state.stages.format.index import Index
from up42_state.stages.format.names import attempt_prefix
from up42_state.stages.history import History
from up42_state.stages.transfer.pool import Transfers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.stages.format.commit import Commit, StoredObject
    from up42_state.stages.store import Store

__all__ = ["Contents", "Listing", "load", "load_data", "load_index", "map_data", "missing_bytes"]

_MAPPED_FROM = 32 * 1024 * 1024  # bytes
_UNHASHED = 32 * 1024 * 1024  # bytes that wait to be hashed


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """What one revision holds, but for the bytes of its ``data.json``."""

    commit: Commit
    index: Index


class Contents(Listing, frozen=True, kw_only=True):
    """What one revision holds.

    :param data: the bytes of its ``data.json``.
    """

    data: bytes


def load(store: Store, commit: Commit) -> Contents:
    """Read a revision's index and ``data.json``.

    :raises PrunedError: it is an older revision whose bytes are gone.
    :raises IntegrityError: one of them is missing or damaged.
    """
    return Contents(commit=commit, index=load_index(store, commit), data=load_data(store, commit))


def load_index(store: Store, commit: Commit) -> Index:
    """Read the index of a revision.

    :raises PrunedError: it is an older revision whose bytes are gone.
    :raises IntegrityError: the index is missing or damaged.
    """
    assert commit.index is not None  # checked when the commit was read
    return Index.parse(_read(store, commit, commit.index), commit.index.key)


def load_data(store: Store, commit: Commit) -> bytes:
    """Read the ``data.json`` of a revision.

    :raises PrunedError: it is an older revision whose bytes are gone.
    :raises IntegrityError: the ``data.json`` is missing or damaged.
    """
    assert commit.data is not None
    return _read(store, commit, commit.data)


def map_data(store: Store, commit: Commit) -> bytes | mmap.mmap:
    """Read the ``data.json`` of a revision, a large one without taking memory for it.

    A large one goes through a temporary file that nobody else can reach, and is mapped: it takes no memory
    of this process, and what was verified cannot be changed by whoever writes to the store.

    :raises PrunedError: it is an older revision whose bytes are gone.
    :raises IntegrityError: the ``data.json`` is missing or damaged.
    """
    assert commit.data is not None
    stored = commit.data
    if stored.size < _MAPPED_FROM:
        return load_data(store, commit)
    digest, size = hashlib.sha256(), 0
    with tempfile.TemporaryFile() as file:
        # One thread hashes the chunks in their order, while the next is read.
        with _missing_told(store, commit, stored), Transfers(1, _UNHASHED) as hashing:
            for chunk in store.bucket.stream(stored.key, 0, stored.size + 1):
                hashing.start(len(chunk), digest.update, chunk)
                size += file.write(chunk)
        _check(commit, stored, size, digest.hexdigest())
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _read(store: Store, commit: Commit, stored: StoredObject) -> bytes:
    with _missing_told(store, commit, stored):
        # One byte more than the object has shows one that grew, and none is read whole, however large.
        data = store.bucket.get(stored.key, 0, stored.size + 1)
    _check(commit, stored, len(data), hashlib.sha256(data).hexdigest())
    return data


@contextmanager
def _missing_told(store: Store, commit: Commit, stored: StoredObject) -> Iterator[None]:
    try:
        yield
    except ObjectNotFoundError as error:
        if not History(store, commit.job, commit.stage).is_newest(commit):
            raise _pruned(commit) from error
        raise damaged(commit.name, f"{stored.key} is missing") from error


def _check(commit: Commit, stored: StoredObject, size: int, digest: str) -> None:
    if (size, digest) != (stored.size, stored.sha256):
        raise damaged(commit.name, f"the bytes of {stored.key} are not those that were saved")


def missing_bytes(
    store: Store, commit: Commit, owner: str, error: ObjectNotFoundError
) -> PrunedError | IntegrityError:
    """The error for an object that a revision's index names and that is not there.

    Prune removes an attempt's index first, so an older revision whose bytes were pruned can be told from
    one that is damaged.

    :param owner: the attempt that wrote the object, as ``<stage>/<attempt>``.
    """
    stage, _, attempt = owner.partition("/")
    index = f"{attempt_prefix(commit.job, stage, attempt)}index.json"
    if not History(store, commit.job, commit.stage).is_newest(commit):
        try:
            store.bucket.head(index)
        except ObjectNotFoundError:
            return _pruned(commit)
    return IntegrityError(f"{commit.name} is damaged: {error.message}", advice=ASK_VERIFY)


def _pruned(commit: Commit) -> PrunedError:
    return PrunedError(
        f"{commit.name} was pruned: its commit is there, its bytes are gone",
        advice=f"`up42-state history --job {commit.job} --stage {commit.stage}` lists newer revisions",
    )
