"""The index: every file of a revision, and where its bytes are.

Bytes lie in objects anywhere below the job, so a file that was saved before, by this stage or by another,
is an entry that points to the older bytes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from up42_state.contract import DATA_JSON
from up42_state.stages.format.commit import FORMAT, check_format
from up42_state.stages.format.damage import damaged, decoded
from up42_state.stages.format.index_checks import problems
from up42_state.stages.format.records import BLOCK_BYTES, Entry, Kind, PackOrFile, stored_name

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BLOCK_BYTES", "Entry", "Index", "Kind", "PackOrFile", "content_digest", "stored_name"]


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """Every file of a revision, sorted by kind and path; directories that hold no file."""

    format: str = FORMAT
    objects: tuple[PackOrFile, ...] = ()
    entries: tuple[Entry, ...] = ()
    directories: tuple[str, ...] = ()

    def render(self) -> bytes:
        """The bytes of the index object."""
        return msgspec.json.encode(self) + b"\n"

    @classmethod
    def parse(cls, data: bytes, key: str) -> Index:
        """Read an index and check that it stays inside its job and inside its objects.

        :param key: where it was read from, for messages.
        :raises IntegrityError: it is damaged or hostile.
        :raises UnsupportedFormatError: it was written in another major version of the format.
        """
        check_format(decoded(_VERSION, data, key).format, key)
        index = decoded(_INDEX, data, key)
        index.check(key)
        return index

    def check(self, key: str) -> None:
        """Check every rule that a reader relies on.

        :raises IntegrityError: naming the first object or entry that breaks one.
        """
        for problem in problems(self.objects, self.entries, self.directories):
            raise damaged(key, problem)

    @property
    def refers(self) -> tuple[str, ...]:
        """Every attempt that bytes are taken from, as ``<stage>/<attempt>``, sorted."""
        return tuple(sorted({stored.owner for stored in self.objects}))


class _Version(msgspec.Struct):
    format: str


# Made on import: msgspec works out a record's type when it is first needed, and crashes where two threads do.
_VERSION, _INDEX = msgspec.json.Decoder(_Version), msgspec.json.Decoder(Index)


def content_digest(
    data_size: int, data_sha256: str, entries: Iterable[Entry], directories: Iterable[str]
) -> str:
    """Digest of an output: of the sorted (kind, path, size, sha256) of ``data.json`` and all entries.

    The kind of an executable file is ``executable`` here, so that a changed bit is another output.
    """
    rows = [("data", DATA_JSON, data_size, data_sha256)]
    rows += [("executable" if e.executable else e.kind, e.path, e.size, e.sha256) for e in entries]
    rows += [("directory", path, 0, "") for path in directories]
    digest = hashlib.sha256()
    for kind, path, size, sha256 in sorted(rows):
        digest.update(f"{kind}\0{path}\0{size}\0{sha256}\n".encode())
    return digest.hexdigest()
