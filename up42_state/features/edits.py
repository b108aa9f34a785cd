"""Writing a feature with some members changed, and every other byte as it was."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from up42_state.features.members import end_of_members, members, quoted, with_members
from up42_state.features.values import head

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Slot", "plain_place", "rewritten", "slot"]


_NAMES = (b' "properties": ', b',"properties":', b'{"properties":')
_BLANK = ord(" ")
_NONE: Mapping[str, str] = MappingProxyType({})


class Slot(NamedTuple):
    """Where members can be added to a feature's properties, and what must stand around them.

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
    """Where members can be added to the properties of a feature.

    :param properties: the text of its properties, empty where there are none.
    :returns: ``None`` where the properties are neither an object nor ``null``, so that there is no place.
    """
    if properties.startswith(b"{"):
        place, before = end_of_members(properties)
        place += _place(feature, properties)
        return Slot(place, place, before, b"")
    if not properties:
        place, before = end_of_members(feature)
        return Slot(place, place, before + b'"properties": {', b"}")
    if properties == b"null":
        place = _place(feature, properties)
        return Slot(place, place + len(properties), b"{", b"}")
    return None


def plain_place(feature: bytes, properties: bytes) -> int:
    """Where a member can be added after ``, ``, for a feature such as most are; 0 for any other.

    Its properties are its last member, an object with at least one member and no white space inside its
    braces. A value that ends right before the feature's last brace is that of its last member, so only the
    name before it needs to be looked at: its first quote is not escaped.
    """
    start = len(feature) - len(properties) - 1
    is_plain = (
        feature.endswith(_NAMES, 0, start)
        and feature.endswith(properties, 0, -1)
        and properties[:2] == b'{"'
        and properties[-2] > _BLANK
    )
    return len(feature) - 2 if is_plain else 0


def _place(feature: bytes, properties: bytes) -> int:
    """Where the text of the properties stands in the feature."""
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
