"""The index of a revision: an object that lists every file, and says which object holds the file's bytes.

Those objects may lie anywhere below the job. A file that a stage of the job has saved before is an entry that
points to the bytes of the earlier save.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from up42_state.contract import DATA_JSON
from up42_state.stages.format.commit import check_format
from up42_state.stages.format.damage import damaged, decoded
from up42_state.stages.format.index_checks import problems
from up42_state.stages.format.records import BLOCK_BYTES, Entry, Kind, PackOrFile, stored_name

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BLOCK_BYTES", "Entry", "Index", "Kind", "PackOrFile", "content_digest", "stored_name"]


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a revision, sorted by kind and path, and the directories that hold no file.

    :param format: the version of the stage format.
    :param objects: the objects that hold the bytes; an entry names an object by its number in this list.
    :param entries: one entry for each file; ``data.json`` is none of them.
    :param directories: paths of directories that hold no file, relative to the output.
    """

    format: str = "1.0"  # no member came with 1.1: an index that stays equal is not written again
    objects: tuple[PackOrFile, ...] = ()
    entries: tuple[Entry, ...] = ()
    directories: tuple[str, ...] = ()

    def render(self) -> bytes:
        """Return the bytes of the index object: JSON, and a line feed."""
        return msgspec.json.encode(self) + b"\n"

    @classmethod
    def parse(cls, data: bytes, key: str) -> Index:
        """Read an index and check that its paths stay in the output, and its objects in the job.

        :param data: the bytes of the index object.
        :param key: the key that the index was read from, for messages.
        :raises IntegrityError: the index is damaged or hostile.
        :raises UnsupportedFormatError: the index was written in another major version of the format.
        """
        # The version comes first: members of another version may have other types, and that is no damage.
        check_format(decoded(_VERSION, data, key).format, key)
        index = decoded(_INDEX, data, key)
        index.check(key)
        return index

    def check(self, key: str) -> None:
        """Check every rule that a reader relies on.

        :param key: the key of the index, for messages.
        :raises IntegrityError: an object or an entry breaks a rule; the error names the first.
        """
        for problem in problems(self.objects, self.entries, self.directories):
            raise damaged(key, problem)

    @property
    def refers(self) -> tuple[str, ...]:
        """The attempts whose objects hold the bytes, as ``<stage>/<attempt>``, sorted."""
        return tuple(sorted({stored.owner for stored in self.objects}))


class _Version(msgspec.Struct):
    format: str


# Made on import: msgspec works out a record's type when it is first needed, and crashes where two threads do.
_VERSION, _INDEX = msgspec.json.Decoder(_Version), msgspec.json.Decoder(Index)


def content_digest(
    data_size: int, data_sha256: str, entries: Iterable[Entry], directories: Iterable[str]
) -> str:
    """Return the digest of an output: SHA-256, in hex, over a sorted line for each file and directory.

    A line has kind, path, size and SHA-256 (``docs/stage-format.md``, "Content"). The kind of an executable
    file is ``executable`` here, so that an output whose executable bit changed is another output.

    :param data_size: the size of ``data.json`` in bytes.
    :param data_sha256: the SHA-256 of ``data.json`` in hex.
    :param entries: the files of the output.
    :param directories: paths of directories that hold no file.
    """
    rows = [("data", DATA_JSON, data_size, data_sha256)]
    rows += [("executable" if e.executable else e.kind, e.path, e.size, e.sha256) for e in entries]
    rows += [("directory", path, 0, "") for path in directories]
    digest = hashlib.sha256()
    for kind, path, size, sha256 in sorted(rows):
        digest.update(f"{kind}\0{path}\0{size}\0{sha256}\n".encode())
    return digest.hexdigest()
