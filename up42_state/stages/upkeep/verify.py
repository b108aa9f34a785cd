"""Verify revisions: read every byte that a revision uses, and compare all bytes with their digests.

Verifying reads more than a restore does. A restore reads the files in a pack, and of an object as much as the
index says. So verifying also looks at the structure of packs, and for bytes behind the end of a file.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from up42_state.errors import IntegrityError, NotFoundError, ObjectNotFoundError, PrunedError
from up42_state.stages.format.names import commit_key
from up42_state.stages.format.packs import frame_digest
from up42_state.stages.history import History, missing_job
from up42_state.stages.read.download import Fetcher
from up42_state.stages.revision import load_data, load_index
from up42_state.stages.transfer.telling import Telling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from up42_state.stages.format.commit import Commit, StoredObject
    from up42_state.stages.format.index import Entry, Index, PackOrFile
    from up42_state.stages.store import Store

__all__ = ["Damage", "Verified", "verify_job", "verify_stage"]

T = TypeVar("T")


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """One object that is not what was saved.

    :param key: the key of the object that is damaged or missing.
    :param problem: what is wrong with the object.
    :param files: the names of the files that the problem concerns; empty if it concerns the object alone.
    """

    key: str
    problem: str
    files: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the members as JSON types."""
        return {"key": self.key, "problem": self.problem, "files": list(self.files)}


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What verifying one revision found.

    :param objects: the number of objects that the revision uses, as far as its index could be read.
    :param bytes: the size of the files, the index and ``data.json`` together, in bytes.
    :param damage: the objects that are not what was saved.
    """

    job: str
    stage: str
    revision: int
    objects: int
    bytes: int
    damage: tuple[Damage, ...] = ()

    @property
    def ok(self) -> bool:
        """True if every byte is what was saved."""
        return not self.damage

    def __repr__(self) -> str:
        found = "ok" if self.ok else f"{len(self.damage)} damaged"
        what = f"{self.objects} objects, {self.bytes} bytes"
        return f"Verified({self.job}/{self.stage}@{self.revision}: {found}, {what})"

    def to_dict(self) -> dict[str, Any]:
        """Return the members as JSON types."""
        return {
            "job": self.job,
            "stage": self.stage,
            "revision": self.revision,
            "ok": self.ok,
            "objects": self.objects,
            "bytes": self.bytes,
            "damage": [damage.to_dict() for damage in self.damage],
        }


_MISSING = "it is missing"
_CHANGED = "its bytes are not those that were saved"
_OF_A_REVISION = 3  # objects that every revision has: commit, index, data.json


class _Nowhere:
    """The target of a download whose bytes only have to be verified."""

    def write(self, entry: Entry, offset: int, data: memoryview) -> None:
        """Forget bytes that the download has verified."""


def verify_stage(
    store: Store,
    job: str,
    stage: str,
    *,
    revision: int | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Verified:
    """Read every byte of a revision and compare all bytes with their digests.

    A damaged commit is reported as damage, and raises no error.

    :param store: the store that the job lies in.
    :param job: a checked job key.
    :param stage: a checked stage name.
    :param revision: a revision's number; ``None`` for the newest revision.
    :param progress: called with bytes done and bytes in all, of files outside packs.
    :raises NotFoundError: there is no such stage or revision, or the revision was removed.
    :raises PrunedError: the bytes of the revision were deleted.
    """
    history = History(store, job, stage)
    number = revision if revision is not None else _newest(history)
    try:
        commit = history.sound(number)
    except IntegrityError as error:
        damage = Damage(key=commit_key(job, stage, number), problem=str(error))
        return Verified(job=job, stage=stage, revision=number, objects=1, bytes=0, damage=(damage,))
    return _verify(store, commit, progress)


def verify_job(
    store: Store, job: str, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Iterator[Verified]:
    """Verify the newest revision of every stage of a job, and yield what was found, stage by stage.

    Stages that were removed are passed over.

    :param store: the store that the job lies in.
    :param job: a checked job key.
    :param progress: called with bytes done and bytes in all, for each stage from the start.
    :raises JobNotFoundError: there is no such job.
    """
    stages = store.stages(job)
    if not stages:
        raise missing_job(store, job)
    for stage in stages:
        history = History(store, job, stage)
        revisions = history.revisions()
        if revisions and not _is_tombstone(history, revisions[-1]):
            yield verify_stage(store, job, stage, revision=revisions[-1], progress=progress)


def _newest(history: History) -> int:
    """Return the number of the newest revision, also if its commit is damaged: that is to be reported.

    :raises StageNotFoundError: there is no such stage, or the stage was removed.
    """
    revisions = history.revisions()
    if revisions and not _is_tombstone(history, revisions[-1]):
        return revisions[-1]
    return history.current("DRY_RUN").revision  # raises the error that says what is missing


def _is_tombstone(history: History, revision: int) -> bool:
    try:
        return history.read(revision).removed
    except IntegrityError:
        return False  # verifying that revision then reports the damage


def _verify(store: Store, commit: Commit, progress: Callable[[int, int], None]) -> Verified:
    assert commit.data is not None  # checked when the commit was read
    assert commit.index is not None
    damage: list[Damage] = []
    _load(load_data, store, commit, commit.data, damage)
    index = _load(load_index, store, commit, commit.index, damage)
    if index is not None:
        damage += _verify_files(store, commit, index, progress)
    return Verified(
        job=commit.job,
        stage=commit.stage,
        revision=commit.revision,
        objects=_OF_A_REVISION + len(index.objects if index else ()),
        bytes=commit.data.size + commit.index.size + sum(e.size for e in (index.entries if index else ())),
        damage=tuple(damage),
    )


def _load(
    load: Callable[[Store, Commit], T],
    store: Store,
    commit: Commit,
    stored: StoredObject,
    damage: list[Damage],
) -> T | None:
    """Load what a commit names; if that is damaged, add to ``damage`` and return ``None``."""
    try:
        return load(store, commit)
    except PrunedError:  # bytes that prune deleted are no damage
        raise
    except (IntegrityError, NotFoundError) as error:
        damage.append(Damage(key=stored.key, problem=error.message))
        return None


def _verify_files(
    store: Store, commit: Commit, index: Index, progress: Callable[[int, int], None]
) -> list[Damage]:
    problems: dict[tuple[str, str], set[str]] = {}  # names of files, by key and problem

    # Called by several threads: setdefault of a dict and add of a set are each one step for other threads.
    def report(entry: Entry, problem: str) -> None:
        key = f"{commit.job}/{index.objects[entry.object].key}"
        problems.setdefault((key, problem), set()).add(entry.name)

    def missing(entry: Entry, error: IntegrityError | ObjectNotFoundError) -> None:
        report(entry, _MISSING if isinstance(error, ObjectNotFoundError) else _CHANGED)

    packed: dict[int, list[Entry]] = {}
    single = []
    for entry in index.entries:
        if index.objects[entry.object].is_pack:
            packed.setdefault(entry.object, []).append(entry)
        else:
            single.append(entry)
    telling = Telling(progress, "verifying", sum(entry.size for entry in index.entries), len(index.entries))
    Fetcher(store, commit.job, index, _Nowhere(), missing, telling).fetch(single)

    def verify_pack(stored: PackOrFile, entries: list[Entry]) -> None:
        _verify_pack(store, commit.job, stored, entries, report)
        telling.add(sum(entry.size for entry in entries), len(entries))

    with store.transfers() as transfers:
        for number, entries in packed.items():
            stored = index.objects[number]
            transfers.start(stored.size, verify_pack, stored, entries)
    return [
        Damage(key=key, problem=problem, files=tuple(sorted(files)))
        for (key, problem), files in sorted(problems.items())
    ] + _verify_sizes(store, commit, index)


def _verify_pack(
    store: Store, job: str, stored: PackOrFile, entries: list[Entry], report: Callable[[Entry, str], None]
) -> None:
    """Check a whole pack: the files of the revision in it, and the archive's bytes around files.

    :param entries: the files of the revision that the pack holds.
    :param report: called with each file that a problem concerns, and the problem.
    """
    try:
        # One byte more than the pack has shows whether something was appended.
        data = memoryview(store.bucket.get(f"{job}/{stored.key}", 0, stored.size + 1))
    except ObjectNotFoundError:
        for entry in entries:
            report(entry, _MISSING)
        return
    changed = [entry for entry in entries if not _is_whole(data, entry)]
    for entry in changed:
        report(entry, _CHANGED)
    if changed:  # the archive may well be damaged, too, but the changed files tell more
        return
    try:
        framed = len(data) == stored.size and frame_digest(data) == stored.frame
    except ValueError:
        framed = False
    if not framed:
        for entry in entries:
            report(entry, "its archive structure is damaged: restore works, GDAL and unzip may not")


def _is_whole(pack: memoryview, entry: Entry) -> bool:
    piece = pack[entry.offset : entry.offset + entry.size]
    return hashlib.sha256(piece).hexdigest() == entry.sha256


def _verify_sizes(store: Store, commit: Commit, index: Index) -> list[Damage]:
    """Return the objects that hold one file and are longer than that file.

    The download of a file reads as many bytes as the file has, and finds these as they were saved.
    """
    single = [stored for stored in index.objects if not stored.is_pack]
    with store.transfers() as transfers:
        sizes = transfers.map(lambda stored: _size(store, f"{commit.job}/{stored.key}"), single)
        return [
            Damage(key=f"{commit.job}/{stored.key}", problem=f"it has {size} bytes, not {stored.size}")
            for stored, size in zip(single, sizes, strict=True)
            if size is not None and size > stored.size
        ]


def _size(store: Store, key: str) -> int | None:
    try:
        return store.bucket.head(key).size
    except ObjectNotFoundError:
        return None
