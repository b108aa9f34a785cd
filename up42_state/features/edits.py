"""Writing a feature with some members changed, and every other byte as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.features.members import Insertion, insertion, members, named, quoted, with_members
from up42_state.features.origin import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["added_properties", "origin_insertion", "rewritten"]


def origin_insertion(feature: bytes, properties: bytes, origin: str) -> Insertion | None:
    """Where and how the provenance is put into a feature's properties.

    :param properties: the text of its properties, empty where there are none.
    :returns: ``None`` where the properties are neither an object nor ``null``, so that there is no place.
    """
    return added_properties(feature, properties, [named(ORIGIN, quoted(origin))])


def added_properties(feature: bytes, properties: bytes, added: Sequence[bytes]) -> Insertion | None:
    """As :func:`origin_insertion`, for any properties, given as ``"name": value``."""
    if properties.startswith(b"{"):
        start = _place(feature, properties)
        put = insertion(properties, added)
        return Insertion(start + put.start, start + put.end, put.text)
    new = b"{" + b", ".join(added) + b"}"
    if not properties:
        return insertion(feature, [named("properties", new)])
    if properties == b"null":
        start = _place(feature, properties)
        return Insertion(start, start + len(properties), new)
    return None


def _place(feature: bytes, properties: bytes) -> int:
    """Where the text of the properties stands in the feature."""
    start = feature.find(properties)
    if feature.find(properties, start + 1) < 0:
        return start
    return [member.start for member in members(feature) if member.name == "properties"][-1]


def rewritten(
    feature: bytes, properties: bytes, *, feature_id: str | None, values: Mapping[str, str]
) -> bytes:
    """The feature with another id, and with some properties set to other strings.

    :param properties: the text of its properties.
    :param feature_id: the new id; ``None`` to keep the old.
    :param values: the properties' new values, by name.
    """
    changed = {}
    if feature_id is not None:
        changed["id"] = quoted(feature_id)
    if values and properties.startswith(b"{"):
        texts = {name: quoted(value) for name, value in values.items()}
        changed["properties"] = with_members(properties, texts)
    return with_members(feature, changed) if changed else feature
