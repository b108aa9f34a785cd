"""The index: every file of a revision, and where its bytes are.

Bytes lie in objects anywhere below the job, so a file that was saved before, by this stage or by another,
is an entry that points to the older bytes.
"""

from __future__ import annotations

import hashlib
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import msgspec

from up42_state.errors import IntegrityError, UnsupportedFormatError
from up42_state.features.paths import check_path
from up42_state.stages.commit import FORMAT
from up42_state.stages.packs import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["BLOCK", "DataObject", "Entry", "Index", "Kind", "content_digest", "stored_name"]

BLOCK = 8 * 1024 * 1024
QUICKLOOKS = ".quicklooks"
Kind = Literal["file", "quicklook"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"([A-Za-z0-9][A-Za-z0-9._\-:+=@]{0,199})/attempts/([0-9a-f-]{36})/(?!/)[^\0]+")


class DataObject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An object that holds bytes of files.

    :param key: relative to the job: ``<stage>/attempts/<attempt>/files/…`` or ``…/packs/0000.zip``.
    :param size: in bytes.
    :param frame: SHA-256 of a pack's bytes outside its members, in hex, so that every byte can be verified.
    """

    key: str
    size: int
    frame: str = ""

    @property
    def owner(self) -> str:
        """The attempt that wrote it, as ``<stage>/<attempt>``."""
        stage, _, attempt, _ = self.key.split("/", 3)
        return f"{stage}/{attempt}"

    @property
    def is_pack(self) -> bool:
        """Whether it is an archive of several files."""
        return self.key.split("/", 4)[3] == "packs"


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file of a revision.

    :param path: relative to the output (a quicklook's: to the quicklook directory), with ``/``.
    :param size: in bytes; files are stored uncompressed, so this is also the length in the object.
    :param sha256: of the whole file, in hex.
    :param object: which of the index's objects holds the bytes.
    :param offset: where in that object they begin.
    :param blocks: SHA-256 of each 8 MiB of the file, in hex, where it is larger than that.
    :param member: the file's name inside its pack, where that is not :func:`stored_name`.
    """

    path: str
    kind: Kind = "file"
    size: int
    sha256: str
    object: int
    offset: int = 0
    blocks: tuple[str, ...] = ()
    executable: bool = False
    member: str = ""

    @property
    def name(self) -> str:
        """The file's place in a restored stage: unique over both kinds."""
        return stored_name(self.kind, self.path)


def stored_name(kind: Kind, path: str) -> str:
    """A file's name below ``files/`` and inside packs: quicklooks stand below ``.quicklooks/``."""
    return f"{QUICKLOOKS}/{path}" if kind == "quicklook" else path


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """Every file of a revision, sorted by kind and path; directories that hold no file."""

    format: str = FORMAT
    objects: tuple[DataObject, ...] = ()
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
        """
        try:
            version = _VERSION.decode(data).format
            if version.partition(".")[0] != FORMAT.partition(".")[0]:
                raise UnsupportedFormatError(
                    f"{key} has format version {version[:40]}", advice="use a newer release of up42_state"
                )
            index = _INDEX.decode(data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise _damaged(key, str(error)) from error
        index.check(key)
        return index

    def check(self, key: str) -> None:
        """Check every rule that a reader relies on.

        :raises IntegrityError: naming the first entry that breaks one.
        """
        for stored in self.objects:
            parts = stored.key.split("/")
            if not _KEY.fullmatch(stored.key) or any(part in ("", ".", "..") for part in parts):
                raise _damaged(key, f"object {stored.key!r} lies outside the job")
            if not 0 <= stored.size <= (MAX_BYTES if stored.is_pack else _MOST):
                raise _damaged(key, f"object {stored.key!r} cannot have {stored.size} bytes")
        if len({stored.key for stored in self.objects}) != len(self.objects):
            raise _damaged(key, "it names an object twice")
        for entry in self.entries:
            problem = self._problem(entry)
            if problem:
                raise _damaged(key, f"entry {entry.path!r}: {problem}")
        for path in self.directories:
            if _leads_elsewhere(path, path):
                raise _damaged(key, f"directory {path!r}: its path leaves the output or is reserved")
        self._check_names(key)
        self._check_overlaps(key)

    def _problem(self, entry: Entry) -> str:
        if _leads_elsewhere(entry.path, entry.name):
            return "its path leaves the output or is reserved"
        if entry.member and check_path(entry.member) is not None:
            return "its name in the pack is malformed"
        if not 0 <= entry.object < len(self.objects):
            return "it names no object"
        if entry.size < 0 or entry.offset < 0:
            return "its size or offset is negative"
        if entry.offset + entry.size > self.objects[entry.object].size:
            return "it ends past the end of its object"
        if not _SHA256.fullmatch(entry.sha256):
            return "its sha256 is malformed"
        wanted = -(-entry.size // BLOCK) if entry.size > BLOCK else 0
        if len(entry.blocks) != wanted or not all(map(_SHA256.fullmatch, entry.blocks)):
            return "its block digests are malformed"
        return ""

    def _check_names(self, key: str) -> None:
        """No path twice, and no file where another path needs a directory."""
        names = sorted([entry.name.split("/") for entry in self.entries])
        for one, other in pairwise(names):
            if other[: len(one)] == one:
                raise _damaged(key, f"{'/'.join(one)!r} is both a file and {'/'.join(other)!r}")
        files = {"/".join(name) for name in names}
        for path in self.directories:
            if path in files or any(above in files for above in _above(path)):
                raise _damaged(key, f"{path!r} is both a file and a directory")

    def _check_overlaps(self, key: str) -> None:
        """Entries may share bytes whole or not at all, or a small pack could pose as endless files."""
        spans = sorted({(entry.object, entry.offset, entry.size) for entry in self.entries if entry.size})
        for (number, offset, size), (other, start, _) in pairwise(spans):
            if number == other and start < offset + size:
                raise _damaged(key, f"entries overlap in object {self.objects[number].key!r}")

    @property
    def refers(self) -> tuple[str, ...]:
        """Every attempt that bytes are taken from, as ``<stage>/<attempt>``, sorted."""
        return tuple(sorted({stored.owner for stored in self.objects}))


class _Version(msgspec.Struct):
    format: str


_MOST = 1 << 63
_RESERVED = frozenset(("data.json", ".up42_state"))


# Made on import: msgspec works out a record's type when it is first needed, and crashes where two threads do.
_VERSION, _INDEX = msgspec.json.Decoder(_Version), msgspec.json.Decoder(Index)


def _leads_elsewhere(path: str, name: str) -> bool:
    """Whether a path does not stay below its directory, or is one that a restore uses itself.

    :param name: where it stands in a restored stage; a quicklook may also lie in a directory of its own.
    """
    tops = (path.partition("/")[0], name.partition("/")[0])
    return check_path(path) is not None or any(top in _RESERVED for top in tops)


def _above(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _damaged(key: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"{key} is damaged: {why}",
        advice="restore the object from a backup, or restore an earlier revision by its number",
    )


def content_digest(
    data_size: int, data_sha256: str, entries: Iterable[Entry], directories: Iterable[str]
) -> str:
    """Digest of an output: of the sorted (kind, path, size, sha256) of ``data.json`` and all entries.

    The kind of an executable file is ``executable`` here, so that a changed bit is another output.
    """
    rows = [("data", "data.json", data_size, data_sha256)]
    rows += [("executable" if e.executable else e.kind, e.path, e.size, e.sha256) for e in entries]
    rows += [("directory", path, 0, "") for path in directories]
    digest = hashlib.sha256()
    for kind, path, size, sha256 in sorted(rows):
        digest.update(f"{kind}\0{path}\0{size}\0{sha256}\n".encode())
    return digest.hexdigest()
