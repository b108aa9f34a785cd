"""One file of a stage as a seekable, read-only binary file over verified range reads."""

from __future__ import annotations

import hashlib
import io
import os
from collections import OrderedDict
from typing import TYPE_CHECKING

from up42_state.contract import DATA_JSON, QUICKLOOK_FOLDER
from up42_state.errors import ObjectNotFoundError, PathNotFoundError
from up42_state.stages.format.index import BLOCK_BYTES
from up42_state.stages.format.names import some_names
from up42_state.stages.read.download import damaged_bytes
from up42_state.stages.revision import missing_bytes

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.index import Entry, Index
    from up42_state.stages.store import Store

__all__ = ["StageFile", "find_entry", "open_entry"]

_KEPT_BLOCKS = 4  # 32 MiB: GDAL goes back and forth between a header, an overview and the tiles


def find_entry(commit: Commit, index: Index, path: str) -> Entry:
    """The entry of a file; a quicklook is written ``.quicklooks/<path>``.

    :raises PathNotFoundError: the revision holds no such file.
    """
    for entry in index.entries:
        if entry.name == path:
            return entry
    raise PathNotFoundError(
        f"{commit.name} has no file {path!r}",
        advice="data() and features() give it" if path == DATA_JSON else _nearby(path, index),
    )


def _nearby(path: str, index: Index) -> str:
    folder = path.rpartition("/")[0]
    near = [entry.name for entry in index.entries if entry.name.rpartition("/")[0] == folder]
    return f"beside it lie {some_names(near)}" if near else f"quicklooks lie below {QUICKLOOK_FOLDER}/"


class StageFile(io.RawIOBase):
    """Reads a file of a revision by blocks of 8 MiB, each checked before a byte of it is given out.

    The last few blocks are kept, so that a reader who moves about in one place asks the store once.
    """

    def __init__(self, store: Store, commit: Commit, index: Index, entry: Entry) -> None:
        super().__init__()
        self.name = entry.name
        self._store = store
        self._commit = commit
        self._entry = entry
        self._object = index.objects[entry.object]
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._at = 0

    def readable(self) -> bool:
        """Return True: the file is opened for reading."""
        return True

    def seekable(self) -> bool:
        """Return True: any position can be read at the cost of one request."""
        return True

    def tell(self) -> int:
        """The position, in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position; past the end is allowed, as in any file.

        :raises ValueError: the position would be negative, or ``whence`` is unknown.
        """
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise ValueError(f"whence is {whence}, not 0, 1 or 2")
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._entry.size}[whence]
        if base + offset < 0:
            raise ValueError(f"cannot seek to {base + offset}: before the beginning of the file")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fill a buffer from the position on; up to the end of the block that the position is in.

        :raises IntegrityError: the bytes are not those that were saved.
        """
        if self._at >= self._entry.size:
            return 0
        number, start = divmod(self._at, BLOCK_BYTES)
        data = self._block(number)
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(data) - start)
        view[:count] = data[start : start + count]
        self._at += count
        return count

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        data = self._fetch(number)
        self._blocks[number] = data
        if len(self._blocks) > _KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return data

    def _fetch(self, number: int) -> bytes:
        entry = self._entry
        key = f"{self._commit.job}/{self._object.key}"
        wanted = min(BLOCK_BYTES, entry.size - number * BLOCK_BYTES)
        try:
            data = self._store.bucket.get(key, entry.offset + number * BLOCK_BYTES, wanted)
        except ObjectNotFoundError as error:
            raise missing_bytes(self._store, self._commit, self._object.owner, error) from error
        digest = entry.blocks[number] if entry.blocks else entry.sha256
        if len(data) != wanted or hashlib.sha256(data).hexdigest() != digest:
            raise damaged_bytes(key, entry)
        return data


def open_entry(store: Store, commit: Commit, index: Index, path: str) -> io.BufferedReader:
    """Open one file of a revision.

    :raises PathNotFoundError: the revision holds no such file.
    """
    entry = find_entry(commit, index, path)
    return io.BufferedReader(StageFile(store, commit, index, entry))
