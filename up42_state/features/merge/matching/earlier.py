"""Reading an earlier stage's features in one pass: ids, data paths, provenance; and writing them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from sys import intern
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect, InvalidDataError
from up42_state.features.files.data_paths import data_paths
from up42_state.features.merge.matching.current import first_other, identity_of
from up42_state.features.merge.matching.provenance_keys import Keys
from up42_state.features.merge.matching.row_numbers import Rows
from up42_state.features.text.edits import plain_end, rewritten, slot
from up42_state.features.text.fast_layout import batches
from up42_state.features.text.members import named, quoted
from up42_state.features.text.origin import ORIGIN, Origin, may_be_in
from up42_state.features.text.values import head, heads, properties_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from up42_state.features.collection import Collection
    from up42_state.features.files.catalogue import Files
    from up42_state.features.selection import Selection

    Text = bytes | memoryview

__all__ = ["EarlierFeatures", "EarlierOutput"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierOutput:
    """An earlier stage, as the operator sees it.

    :param job: its job's key.
    :param stage: its name.
    :param revision: the revision that is taken.
    :param collection: its ``data.json``.
    :param files: its files and quicklooks.
    :param is_part: the stage is a part of the current output, made by the same task: none of its features
        is taken for one that is there, and they get no provenance from it.
    """

    job: str
    stage: str
    revision: int
    collection: Collection
    files: Files
    is_part: bool = False

    @property
    def label(self) -> str:
        """The stage's name as it is used in ids and paths: ``:`` becomes ``-``."""
        return self.stage.replace(":", "-")


class EarlierFeatures:
    """The features of an earlier stage: which are wanted, and where each first came from.

    ``wanted`` holds their indexes; ``ids`` and ``paths`` the ids and data paths of all, wanted or not.

    :param selection: the features that are wanted; ``None`` for all.
    """

    def __init__(self, output: EarlierOutput, selection: Selection | None) -> None:
        self.output = output
        self.wanted: list[int] = []
        self.paths: set[str] = set()
        self._carried: dict[int, str] = {}
        self._stages: dict[int, str] = {}
        self._unusable: set[int] = set()
        self._origin_prefix = str(
            Origin(job=output.job, stage=output.stage, revision=output.revision, key="")
        )
        self._member = named(ORIGIN, quoted(self._origin_prefix))[:-1]
        self._read(selection)
        self._keys = Keys(output.collection, self.ids)
        self._check_origins()

    def _read(self, selection: Selection | None) -> None:
        collection = self.output.collection
        self.ids = collection.ids
        # Without provenance and files in the stage, the ids are all there is to know.
        if not collection.is_plain or not self.output.files.is_empty:
            start = 0
            for batch in batches(collection.raws()):
                self._add(start, batch)
                start += len(batch)
        everything = list(range(len(self.ids)))
        self.wanted = everything if selection is None else selection.numbers(collection)

    def _add(self, start: int, batch: Sequence[Text]) -> None:
        """Take in a batch of features, of which the first has the index ``start``."""
        other = first_other(batch)
        if other is not None:
            raise self._no_object(start + other)
        found = heads(batch)
        if not self.output.files.is_empty or may_be_in([each.properties for each in found]):
            for index, each in enumerate(found, start):
                self._read_properties(index, properties_of(each))

    def _no_object(self, index: int) -> InvalidDataError:
        defect = Defect(f"features[{index}]", "is not an object", "save the stage again without it")
        return InvalidDataError(f"data.json of {self.output.stage} cannot be merged", defects=[defect])

    def _read_properties(self, index: int, properties: dict[str, Any]) -> None:
        identity = identity_of(properties)
        if identity is not None:
            self._carried[index] = identity
            self._stages[index] = intern(identity.partition("#")[0])
        elif ORIGIN in properties:
            self._unusable.add(index)
        if not self.output.files.is_empty:
            self.paths.update(data_paths(properties, self.output.files).values())

    def _check_origins(self) -> None:
        """Believe no provenance that another feature has, too: such a feature is one of this stage's own.

        Blocks copy properties to what they derive from a feature, and anybody can write any provenance.
        """
        claims = Counter(self._carried.values())
        own: Container[str] = ()
        if any(identity.startswith(self._own_prefix) for identity in claims):
            own = {self._own_identity(index) for index in range(len(self.ids))}
        for index, identity in list(self._carried.items()):
            if claims[identity] > 1 or identity in own:
                del self._carried[index]
                self._unusable.add(index)

    def raw(self, index: int) -> memoryview:
        """A feature's bytes."""
        return self.output.collection.raw(index)

    def raws(self) -> Iterator[memoryview]:
        """Every feature's bytes, in order."""
        return self.output.collection.raws()

    @cached_property
    def _rows(self) -> Rows:
        rows = Rows()
        if not self._stages:
            rows.note("", self.ids)
        else:
            for index, feature_id in enumerate(self.ids):
                rows.note(self._stages.get(index, ""), (feature_id,))
        return rows

    @property
    def has_rows(self) -> bool:
        """True if some of the stage's ids only number rows."""
        return self._rows.any

    def numbers_row(self, index: int) -> bool:
        """True if the feature's id only numbers a row."""
        return self._rows.any and self._rows.number(self._stages.get(index, ""))

    @property
    def _own_prefix(self) -> str:
        return f"{self.output.job}/{self.output.stage}#"

    def _own_identity(self, index: int) -> str:
        return self._own_prefix + self._keys.of(index)

    def identity(self, index: int) -> str:
        """The feature's provenance, the revision aside: what it alone carries, or that it is from here."""
        carried = self._carried.get(index)
        return self._own_identity(index) if carried is None else carried

    def cannot_carry_origin(self, index: int) -> bool:
        """True if the feature's properties are neither an object nor empty, so that no provenance fits in."""
        feature = bytes(self.raw(index))
        return not plain_end(feature) and slot(feature, bytes(head(feature).properties)) is None

    def written(self, index: int) -> tuple[Text, ...]:
        """A feature in pieces, with its provenance: what it carries already, or that it is from here."""
        return next(self.all_written((index,)))

    def all_written(self, indexes: Iterable[int]) -> Iterator[tuple[Text, ...]]:
        """Yield features in pieces, each with its provenance, added unless the feature carries one."""
        collection = self.output.collection
        if self.output.is_part:
            yield from ((collection.raw(index),) for index in indexes)
            return
        document, starts, ends = collection.document, collection.starts, collection.ends
        key, member = self._keys.of, b", " + self._member
        for index in indexes:
            start, end = starts[index], ends[index]
            feature = bytes(document[start:end])  # a copy: its bytes are gone through several times
            if index in self._carried:
                yield (feature,)
            elif index not in self._unusable and plain_end(feature):  # nearly every feature ends in }}
                yield document[start : end - 2], member, key(index, feature).encode(), b'"}}'
            else:
                origin = self._member + key(index, feature).encode() + b'"'
                yield (self._rewritten(index, feature, origin),)

    def _rewritten(self, index: int, feature: bytes, origin: bytes) -> bytes:
        """A feature with the provenance ``origin``, a member's text, wherever its properties are."""
        if index in self._unusable:
            return rewritten(feature, values={ORIGIN: self._origin_prefix + self._keys.of(index)})
        free = slot(feature, bytes(head(feature).properties))
        return feature if free is None else free.fill(feature, origin)
