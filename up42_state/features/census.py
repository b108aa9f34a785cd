"""What is read of an earlier stage's features, in one pass over them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from up42_state.errors import Defect, InvalidDataError
from up42_state.features.collection import Collection, Feature
from up42_state.features.known import identity_of
from up42_state.features.origin import Origin
from up42_state.features.paths import data_paths
from up42_state.features.values import feature_id, head, properties_of

if TYPE_CHECKING:
    from collections.abc import Container

    from up42_state.features.files import Files

    Text = bytes | memoryview

__all__ = ["Census", "Earlier"]

_KEY_LENGTH = 32  # hexadecimal digits


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
        self._keys: list[str] = []
        self._carried: dict[int, str] = {}
        self._seen: dict[str, int] = {}
        self._has_files = len(earlier.files) > 0 or bool(earlier.files.directories)
        for index, raw in enumerate(earlier.collection.raws()):
            self._add(index, bytes(raw))
            if selection is None or Feature(raw) in selection:
                self.wanted.append(index)
        self._seen.clear()

    def _add(self, index: int, raw: bytes) -> None:
        if not raw.startswith(b"{"):
            defect = Defect(f"features[{index}]", "is not an object", "save the stage again without it")
            raise InvalidDataError(f"data.json of {self.earlier.stage} cannot be merged", defects=[defect])
        found = head(raw)
        properties = properties_of(found)
        identity = identity_of(properties)
        if identity is not None:
            self._carried[index] = identity
        self.ids.append(feature_id(found))
        self._keys.append(self._key(raw))
        if self._has_files:
            self.paths.update(data_paths(properties, self.earlier.files).values())

    def _key(self, raw: bytes) -> str:
        """A digest of the feature, with its number among equal ones from the second on."""
        digest = hashlib.sha256(raw).hexdigest()[:_KEY_LENGTH]
        count = self._seen.get(digest, 0) + 1
        self._seen[digest] = count
        return digest if count == 1 else f"{digest}.{count}"

    def identity(self, index: int) -> str:
        """The feature's provenance, the revision aside: what it carries, or that it is from here."""
        carried = self._carried.get(index)
        earlier = self.earlier
        return f"{earlier.job}/{earlier.stage}#{self._keys[index]}" if carried is None else carried

    def origin(self, index: int) -> str | None:
        """The provenance that the feature must be given; ``None`` where it carries one already."""
        if index in self._carried:
            return None
        earlier = self.earlier
        origin = Origin(
            job=earlier.job, stage=earlier.stage, revision=earlier.revision, key=self._keys[index]
        )
        return str(origin)
