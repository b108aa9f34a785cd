"""The records of an index: entries, which are files, and objects, which hold the bytes of files."""

from __future__ import annotations

from typing import Literal, Self

import msgspec

from up42_state.contract import QUICKLOOK_FOLDER
from up42_state.features.files.catalogue import File

__all__ = ["BLOCK_BYTES", "Entry", "Kind", "PackOrFile", "StoredFile", "stored_name"]

# Bytes. A file is hashed in blocks of this size as well, so that a reader verifies a range without the rest
# of the file. Smaller blocks would make indexes larger: a file of 1 TiB has 131,072 blocks.
BLOCK_BYTES = 8 * 1024 * 1024
Kind = Literal["file", "quicklook"]


class PackOrFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An object of the store that is a pack of small files, or one file alone.

    :param key: the key below the job: ``<stage>/attempts/<attempt>/files/…`` or ``…/packs/0000.zip``.
    :param size: the size of the object in bytes.
    :param frame: the SHA-256 of a pack's bytes outside its members, in hex. With the digests of the members
        every byte of the pack can be verified.
    """

    key: str
    size: int
    frame: str = ""

    @property
    def owner(self) -> str:
        """The attempt that wrote the object, as ``<stage>/<attempt>``."""
        stage, _, attempt, _ = self.key.split("/", 3)
        return f"{stage}/{attempt}"

    @property
    def is_pack(self) -> bool:
        """True if the object is an archive of several files, False if it is one file."""
        return self.key.split("/", 4)[3] == "packs"


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A file of a revision, and the part of an object that holds the file's bytes.

    :param path: the file's path below the output, or a quicklook's path below the quicklook directory; parts
        are separated by ``/``.
    :param kind: ``file`` or ``quicklook``.
    :param size: the size in bytes; files are stored uncompressed, so this is also the length in the object.
    :param sha256: the SHA-256 of the whole file, in hex.
    :param object: the number of the object that holds the bytes, in the index's list of objects.
    :param offset: the offset in that object, in bytes, at which the file begins.
    :param blocks: the SHA-256 of each 8 MiB of the file, in hex; empty for a file of at most 8 MiB.
    :param executable: True if the file has the executable bit.
    :param member: the file's name inside its pack; empty if that is ``stored_name``.
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
        """The file's path in a restored stage, which no file of either kind shares."""
        return self.path if self.kind == "file" else stored_name(self.kind, self.path)

    def as_file(self, path: str | None = None) -> File:
        """Return the record of the file for the check and the merge of features.

        :param path: another path for the file; ``None`` keeps the entry's path.
        """
        return File(
            path=self.path if path is None else path,
            kind=self.kind,
            size=self.size,
            sha256=self.sha256,
            executable=self.executable,
        )

    def renamed(self, stored: PackOrFile, path: str, kind: Kind, *, executable: bool) -> Self:
        """Return the entry for the same bytes under another path.

        The name in a pack is part of the pack's bytes and stays. So the entry of a packed file keeps it.

        :param stored: the object that holds the bytes.
        :param path: the new path.
        :param kind: the new kind.
        :param executable: True if the file is to have the executable bit.
        """
        changes = {"path": path, "kind": kind, "executable": executable}
        renamed = msgspec.structs.replace(self, **changes)
        member = self.member or self.name
        kept = member if stored.is_pack and member != renamed.name else ""
        return msgspec.structs.replace(renamed, member=kept)


class StoredFile(msgspec.Struct, frozen=True):
    """A file whose bytes are in the store.

    :param object: the object that holds the bytes.
    :param entry: the file. Its number of an object means nothing yet: the index that is made of it sets that.
    """

    object: PackOrFile
    entry: Entry


def stored_name(kind: Kind, path: str) -> str:
    """Return the name of a file below ``files/`` and inside packs; a quicklook's begins ``.quicklooks/``."""
    return f"{QUICKLOOK_FOLDER}/{path}" if kind == "quicklook" else path
