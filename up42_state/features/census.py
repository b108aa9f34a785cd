"""What is read of an earlier stage's features, in one pass over them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect, InvalidDataError
from up42_state.features.edits import Slot, plain_place, rewritten, slot
from up42_state.features.known import BLOCK, identity_of, may_carry_origin
from up42_state.features.members import named, quoted
from up42_state.features.origin import ORIGIN, Origin
from up42_state.features.paths import data_paths
from up42_state.features.values import feature_id, heads, properties_of

if TYPE_CHECKING:
    from collections.abc import Container

    from up42_state.features.collection import Collection, Feature
    from up42_state.features.files import Files

    Text = bytes | memoryview

__all__ = ["Census", "Earlier"]

_KEY_BYTES = 16
_BRACE = ord("{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """An earlier stage, as the operator sees it.

    :param job: its job's key.
    :param stage: its name.
    :param revision: the revision that is taken.
    :param collection: its ``data.json``.
    :param files: its files and quicklooks.
    """

    job: str
    stage: str
    revision: int
    collection: Collection
    files: Files

    @property
    def label(self) -> str:
        """The stage's name as it is used in ids and paths: ``:`` becomes ``-``."""
        return self.stage.replace(":", "-")


class Census:
    """The features of an earlier stage: which are wanted, and where each first came from.

    ``wanted`` holds their indexes; ``ids`` and ``paths`` the ids and data paths of all, wanted or not.

    :param selection: the features that are wanted; ``None`` for all.
    """

    def __init__(self, earlier: Earlier, selection: Container[Feature] | None) -> None:
        self.earlier = earlier
        self.wanted: list[int] = []
        self.paths: set[str] = set()
        self.ids: list[str | int | float | None] = []
        self._keys: list[bytes] = []
        self._carried: dict[int, str] = {}
        self._seen: dict[bytes, int] = {}
        self._slots: list[int | Slot | None] = []
        self._unusable: set[int] = set()
        self._has_files = len(earlier.files) > 0 or bool(earlier.files.directories)
        self._place = str(Origin(job=earlier.job, stage=earlier.stage, revision=earlier.revision, key=""))
        self._member = named(ORIGIN, quoted(self._place))[:-1]
        self._read(selection)

    def _read(self, selection: Container[Feature] | None) -> None:
        raws = self.earlier.collection.raws()
        while block := list(map(bytes, islice(raws, BLOCK))):
            self._add(len(self.ids), block)
        if selection is None:
            self.wanted = list(range(len(self.ids)))
        else:
            self.wanted = [i for i, f in enumerate(self.earlier.collection) if f in selection]
        self._seen.clear()

    def _add(self, start: int, block: list[bytes]) -> None:
        """Take in a block of features, of which the first has the index ``start``."""
        for index, feature in enumerate(block, start):
            if feature[0] != _BRACE:
                raise self._no_object(index)
        found = heads(block)
        self.ids += map(feature_id, found)
        self._keys += map(self._key, block)
        texts = [bytes(each.properties) for each in found]
        self._slots += [plain_place(*pair) or slot(*pair) for pair in zip(block, texts, strict=True)]
        if self._has_files or may_carry_origin(b"".join(texts)):
            for index, each in enumerate(found, start):
                self._read_properties(index, properties_of(each))

    def _no_object(self, index: int) -> InvalidDataError:
        defect = Defect(f"features[{index}]", "is not an object", "save the stage again without it")
        return InvalidDataError(f"data.json of {self.earlier.stage} cannot be merged", defects=[defect])

    def _read_properties(self, index: int, properties: dict[str, Any]) -> None:
        identity = identity_of(properties)
        if identity is not None:
            self._carried[index] = identity
        elif ORIGIN in properties:
            self._unusable.add(index)
        if self._has_files:
            self.paths.update(data_paths(properties, self.earlier.files).values())

    def _key(self, feature: bytes) -> bytes:
        """A digest of the feature, with its number among equal ones from the second on."""
        digest = hashlib.sha256(feature).digest()[:_KEY_BYTES]
        count = self._seen.get(digest, 0) + 1
        self._seen[digest] = count
        return digest if count == 1 else digest + str(count).encode()

    def key(self, index: int) -> str:
        """The feature's digest in hex, with a dot and its number among equal ones from the second on."""
        key = self._keys[index]
        digest, number = key[:_KEY_BYTES].hex(), key[_KEY_BYTES:].decode()
        return f"{digest}.{number}" if number else digest

    def identity(self, index: int) -> str:
        """The feature's provenance, the revision aside: what it carries, or that it is from here."""
        carried = self._carried.get(index)
        earlier = self.earlier
        return f"{earlier.job}/{earlier.stage}#{self.key(index)}" if carried is None else carried

    def cannot_carry_origin(self, index: int) -> bool:
        """Whether the feature's properties are neither an object nor ``null``: no provenance fits in."""
        return self._slots[index] is None

    def written(self, index: int) -> bytes:
        """The feature with its provenance: what it carries already, or that it is from here."""
        collection = self.earlier.collection
        document, start, end = collection.document, collection.starts[index], collection.ends[index]
        place = self._slots[index]
        if index in self._carried or place is None:
            return bytes(document[start:end])
        if index in self._unusable:
            return rewritten(bytes(document[start:end]), values={ORIGIN: self._place + self.key(index)})
        origin = self._member + self.key(index).encode() + b'"'
        if isinstance(place, int):
            cut = start + place
            return b"".join((document[start:cut], b", ", origin, document[cut:end]))
        return place.fill(bytes(document[start:end]), origin)
