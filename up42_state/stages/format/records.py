"""The records of an index: its entries are files, its objects hold their bytes."""

from __future__ import annotations

from typing import Literal, Self

import msgspec

from up42_state.contract import QUICKLOOK_FOLDER
from up42_state.features.files.catalogue import File

__all__ = ["BLOCK_BYTES", "Entry", "Kind", "PackOrFile", "StoredFile", "stored_name"]

# A file is hashed in blocks of this size as well, so that a reader verifies a range without all of the file.
BLOCK_BYTES = 8 * 1024 * 1024
Kind = Literal["file", "quicklook"]


class PackOrFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An object of the store that is a pack of small files, or one file alone.

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


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A file of a revision, and where in which object its bytes lie.

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
        return self.path if self.kind == "file" else stored_name(self.kind, self.path)

    def as_file(self, path: str | None = None) -> File:
        """The file as checking and merging look it up.

        :param path: another path that it gets; ``None`` for its own.
        """
        return File(
            path=self.path if path is None else path,
            kind=self.kind,
            size=self.size,
            sha256=self.sha256,
            executable=self.executable,
        )

    def renamed(self, stored: PackOrFile, path: str, kind: Kind, *, executable: bool) -> Self:
        """Return the entry under another path; a packed file remembers its name in the pack.

        :param stored: the object that holds the bytes.
        """
        changes = {"path": path, "kind": kind, "executable": executable}
        renamed = msgspec.structs.replace(self, **changes)
        member = self.member or self.name
        kept = member if stored.is_pack and member != renamed.name else ""
        return msgspec.structs.replace(renamed, member=kept)


class StoredFile(msgspec.Struct, frozen=True):
    """A file whose bytes are in the store.

    :param object: what the bytes lie in.
    :param entry: the file; ``entry.object`` is not set yet: an index numbers its objects when it is made.
    """

    object: PackOrFile
    entry: Entry


def stored_name(kind: Kind, path: str) -> str:
    """A file's name below ``files/`` and inside packs: quicklooks stand below ``.quicklooks/``."""
    return f"{QUICKLOOK_FOLDER}/{path}" if kind == "quicklook" else path
