"""Fetching files out of objects: a plan of range reads, carried out side by side, verified on the way.

Nothing reaches a sink before its digest was checked: files of up to 8 MiB as a whole, larger ones by block.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import msgspec

from up42_state.errors import IntegrityError, ObjectNotFoundError, StateError
from up42_state.stages.format.damage import ASK_VERIFY
from up42_state.stages.format.index import BLOCK_BYTES
from up42_state.stages.revision import missing_bytes
from up42_state.stages.transfer.buffers import Buffers, allocate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from up42_state.stages.format.index import Entry, Index
    from up42_state.stages.local.installation import Installation
    from up42_state.stages.revision import Listing
    from up42_state.stages.store import Store
    from up42_state.stages.transfer.telling import Telling

__all__ = ["Fetcher", "Run", "Segment", "Sink", "damaged_bytes", "fetch", "plan_runs", "plan_segments"]

RUN = 32 * 1024 * 1024
SEGMENT = 4 * BLOCK_BYTES
GAP = 512 * 1024  # reading past this many unwanted bytes is cheaper than another request


class Sink(Protocol):
    """Takes verified bytes. Called from several threads, for different files or parts of one."""

    def write(self, entry: Entry, offset: int, data: memoryview) -> None:
        """Write ``data`` at ``offset`` of the entry's file, which is made on the first call."""
        ...


class Run(msgspec.Struct, frozen=True):
    """One range of one object that holds several small files: one request."""

    object: int
    start: int
    length: int
    entries: Sequence[Entry]


class Segment(msgspec.Struct, frozen=True):
    """Whole blocks of one large file: one request."""

    entry: Entry
    start: int
    length: int


def plan_runs(entries: Iterable[Entry]) -> Iterator[Run]:
    """Coalesce small files that lie close together in one object into runs of at most 32 MiB."""
    ordered = sorted(entries, key=lambda entry: (entry.object, entry.offset))
    batch: list[Entry] = []
    start = end = 0
    for entry in ordered:
        stop = entry.offset + entry.size
        fits = batch and batch[0].object == entry.object and entry.offset - end <= GAP
        if not fits or stop - start > RUN:
            if batch:
                yield Run(batch[0].object, start, end - start, batch)
            batch, start, end = [], entry.offset, entry.offset
        batch.append(entry)
        end = max(end, stop)
    if batch:
        yield Run(batch[0].object, start, end - start, batch)


def _widened(run: Run, size: int) -> Run:
    """The whole object, where the run is most of it: that is the plainest of requests.

    :param size: of the object, in bytes.
    """
    return Run(run.object, 0, size, run.entries) if run.length > size * 7 // 8 else run


def plan_segments(entry: Entry, blocks: Iterable[int] | None = None) -> Iterator[Segment]:
    """Split a large file into segments of up to 32 MiB.

    :param blocks: the numbers of the blocks that are wanted, rising; all of them if ``None``.
    """
    wanted = list(range(len(entry.blocks)) if blocks is None else blocks)
    most = SEGMENT // BLOCK_BYTES
    at = 0
    while at < len(wanted):
        count = 1
        while count < most and at + count < len(wanted) and wanted[at + count] == wanted[at] + count:
            count += 1
        start = wanted[at] * BLOCK_BYTES
        yield Segment(entry, start, min(count * BLOCK_BYTES, entry.size - start))
        at += count


class Fetcher(msgspec.Struct):
    """Carries out a plan.

    :param store: where the job lies.
    :param job: whose objects the index names.
    :param index: the revision's index.
    :param sink: takes the bytes.
    :param missing: called with a file that is damaged or missing, and why; raises to end the fetch.
    :param telling: is told of bytes and files that were fetched.
    """

    store: Store
    job: str
    index: Index
    sink: Sink
    missing: Callable[[Entry, IntegrityError | ObjectNotFoundError], None]
    telling: Telling
    _left: dict[str, int] = msgspec.field(default_factory=dict)
    _buffers: Buffers[memoryview] = msgspec.field(default_factory=lambda: Buffers(allocate))

    def fetch(self, entries: Sequence[Entry], have: Callable[[Entry], Sequence[int]] = lambda _: ()) -> None:
        """Fetch files.

        :param have: the numbers of a large file's blocks that need not be fetched.
        """
        small = [entry for entry in entries if not entry.blocks]
        with self.store.transfers() as transfers:
            for run in plan_runs(small):
                wide = _widened(run, self.index.objects[run.object].size)
                transfers.start(wide.length, self._fetch_run, wide)
            for entry in entries:
                if entry.blocks:
                    known = frozenset(have(entry))
                    wanted = [number for number in range(len(entry.blocks)) if number not in known]
                    segments = list(plan_segments(entry, wanted))
                    self._left[entry.name] = len(segments)
                    for segment in segments:
                        # Dearer than the block that it holds: more of them would wait for the file's lock.
                        transfers.start(segment.length, self._fetch_segment, segment)

    def _key(self, number: int) -> str:
        return f"{self.job}/{self.index.objects[number].key}"

    def _fetch_run(self, run: Run) -> None:
        buffer = self._buffers.take(run.length)
        with self._told(run.entries):
            data = buffer[: sum(map(len, self._pieces(run.object, buffer, run.start, run.length)))]
            for entry in run.entries:
                at = entry.offset - run.start
                self._deliver(entry, 0, data[at : at + entry.size], entry.size, entry.sha256)
                self.telling.add(entry.size, 1)
        self._buffers.give(buffer)

    def _fetch_segment(self, segment: Segment) -> None:
        """Fetch a segment through a buffer of one block, which stays in the processor's cache."""
        entry, offset = segment.entry, segment.start
        end = segment.start + segment.length
        buffer = self._buffers.take(BLOCK_BYTES)
        with self._told([entry]):
            for piece in self._pieces(entry.object, buffer, entry.offset + offset, segment.length):
                size = min(BLOCK_BYTES, entry.size - offset)
                self._deliver(entry, offset, piece, size, entry.blocks[offset // BLOCK_BYTES])
                self.telling.add(size)
                offset += size
            if offset < end:
                self.missing(entry, damaged_bytes(self._key(entry.object), entry))
        self._left[entry.name] -= 1
        if not self._left[entry.name]:
            self.telling.add(0, 1)
        self._buffers.give(buffer)

    def _pieces(self, number: int, buffer: memoryview, start: int, length: int) -> Iterator[memoryview]:
        return self.store.bucket.pieces(self._key(number), buffer, start, length) if length else iter(())

    @contextmanager
    def _told(self, entries: Sequence[Entry]) -> Iterator[None]:
        """Report all wanted files of an object as missing if the object is not there."""
        try:
            yield
        except ObjectNotFoundError as error:
            for entry in entries:
                self.missing(entry, error)

    def _deliver(self, entry: Entry, offset: int, piece: memoryview, size: int, sha256: str) -> None:
        if len(piece) == size and hashlib.sha256(piece).hexdigest() == sha256:
            self.sink.write(entry, offset, piece)
        else:
            self.missing(entry, damaged_bytes(self._key(entry.object), entry))


def fetch(
    store: Store,
    contents: Listing,
    installation: Installation,
    entries: Sequence[Entry],
    damaged: Callable[[Entry, StateError], None],
    telling: Telling,
) -> None:
    """Fetch files of a revision, but for the blocks that a killed call has staged.

    :param entries: files of the revision, under the paths that they get.
    :param damaged: called with a file that is damaged, missing or pruned, and its error; raises to end this.
    """

    def missing(entry: Entry, error: IntegrityError | ObjectNotFoundError) -> None:
        if not isinstance(error, ObjectNotFoundError):
            damaged(entry, error)
            return
        owner = contents.index.objects[entry.object].owner
        try:
            raise missing_bytes(store, contents.commit, owner, error) from error
        except StateError as cause:
            damaged(entry, cause)

    job = contents.commit.job
    Fetcher(store, job, contents.index, installation, missing, telling).fetch(
        entries, installation.known_blocks
    )


def damaged_bytes(key: str, entry: Entry) -> IntegrityError:
    """The error for bytes that are not those that were saved."""
    return IntegrityError(
        f"{entry.name}: the bytes in {key} are not those that were saved", advice=ASK_VERIFY
    )
