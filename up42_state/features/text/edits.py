"""Writing a feature with some members changed, and every other byte as it was."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from up42_state.features.text.members import end_of_members, members, quoted, with_members
from up42_state.features.text.values import head, is_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Slot", "plain_end", "rewritten", "slot"]


_NAME = b'"properties":'
_BEFORE = frozenset(b" ,{")
_BEGINNINGS = tuple(
    b"%c%b%b" % (before, _NAME, after) for before in sorted(_BEFORE) for after in (b'{"', b' {"')
)
_BLANK = ord(" ")
_EMPTY_LISTS = ([b"[]"], [b"[", b"]"])
_NONE: Mapping[str, str] = MappingProxyType({})


class Slot(NamedTuple):
    """Where in a feature members can be added to its properties, and what must stand around them.

    What stands from ``start`` to ``end`` makes way.
    """

    start: int
    end: int
    before: bytes
    after: bytes

    def fill(self, feature: bytes, *added: bytes) -> bytes:
        """The feature with members, given as ``"name": value``, put in."""
        separator = b", " if self.after else self.before or b", "
        text = separator.join(added)
        return b"".join((feature[: self.start], self.before, text, self.after, feature[self.end :]))


def slot(feature: bytes, properties: bytes) -> Slot | None:
    """Find where in a feature members can be added to its properties.

    :param properties: the text of its properties, empty where there are none.
    :returns: ``None`` where the properties are neither an object nor empty (``null``, or ``[]``, which PHP
        writes for an object without members), so that none can be added.
    """
    if properties.startswith(b"{"):
        offset, before = end_of_members(properties)
        offset += _offset_of(feature, properties)
        return Slot(offset, offset, before, b"")
    if not properties:
        offset, before = end_of_members(feature)
        return Slot(offset, offset, before + b'"properties": {', b"}")
    if properties == b"null" or properties.split() in _EMPTY_LISTS:
        offset = _offset_of(feature, properties)
        return Slot(offset, offset + len(properties), b"{", b"}")
    return None


def plain_end(feature: bytes) -> int:
    """The offset at which a member can be added after ``, `` to a feature such as most are; 0 for any other.

    Its properties are its last member, an object with at least one member and no white space inside its
    braces. That is so where a name ``"properties":``, whose first quote is not escaped, stands before a
    complete value, and that before the feature's last brace: a member of an inner object is followed by
    another brace at least.
    """
    # Properties without a brace in them end at the first one, and are whole without being read.
    brace = feature.rfind(b"{")
    if (
        feature.endswith(_BEGINNINGS, 0, brace + 2)
        and feature.find(b"}", brace) == len(feature) - 2
        and feature[-3] > _BLANK
        and feature.find(b"\\", brace) < 0
    ):
        return len(feature) - 2
    name = feature.rfind(_NAME)
    start = name + len(_NAME)
    start += feature.startswith(b" ", start)
    is_plain = (
        name > 0
        and feature[name - 1] in _BEFORE
        and feature.startswith(b'{"', start)
        and feature.endswith(b"}}")
        and feature[-3] > _BLANK
        and is_json(feature[start:-1])
    )
    return len(feature) - 2 if is_plain else 0


def _offset_of(feature: bytes, properties: bytes) -> int:
    """The offset of the text of the properties in the feature."""
    start = feature.rfind(properties)
    if feature.find(properties, 0, start + len(properties) - 1) < 0:
        return start
    return [member.start for member in members(feature) if member.name == "properties"][-1]


def rewritten(feature: bytes, *, feature_id: str | None = None, values: Mapping[str, str] = _NONE) -> bytes:
    """The feature with another id, and with some properties set to other strings.

    :param feature_id: the new id; ``None`` to keep the old.
    :param values: the properties' new values, by name.
    """
    changed = {}
    properties = bytes(head(feature).properties)
    if feature_id is not None:
        changed["id"] = quoted(feature_id)
    if values and properties.startswith(b"{"):
        texts = {name: quoted(value) for name, value in values.items()}
        changed["properties"] = with_members(properties, texts)
    return with_members(feature, changed) if changed else feature
