"""Coordinate reference systems by name: one has many, and RFC 7946 §4 leaves the member out altogether.

The member is from the GeoJSON specification of 2008, §3. Names are those of OGC 09-048r3 (URNs and URLs), of
the EPSG register, and of what GDAL writes or reads.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from up42_state.features.text.values import same_value

if TYPE_CHECKING:
    from up42_state.features.collection import Collection

__all__ = ["Crs"]

# What stands before authority, version and code, and between them. The version of a register does not count:
# it never gives a code to another system.
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"urn:(?:x-)?ogc:def:crs:(?P<authority>[a-z]+):(?:[^:]*:)?(?P<code>[\w.-]+)",
        r"https?://(?:www\.)?opengis\.net/def/crs/(?P<authority>[a-z]+)/[^/]+/(?P<code>[\w.-]+)/?",
        r"https?://(?:www\.)?opengis\.net/gml/srs/(?P<authority>[a-z]+)\.xml#(?P<code>[\w.-]+)",
        r"https?://(?:www\.)?spatialreference\.org/ref/(?P<authority>[a-z]+)/(?P<code>[\w.-]+)(?:/.*)?",
        r"https?://(?P<authority>epsg)\.io/(?P<code>\d+)(?:[./].*)?",
        r"(?P<authority>[a-z]+)(?::[\d.]*)?:(?P<code>[\w.-]+)",
        r"(?P<authority>)(?P<code>crs84|\d+)",
    )
)
_AUTHORITIES = {"": "EPSG", "CRS": "OGC"}
_ALIASES = {"OGC:84": "OGC:CRS84", "EPSG:CRS84": "OGC:CRS84"}
_DEFAULT = frozenset(("OGC:CRS84", "EPSG:4326"))  # GeoJSON's longitude and latitude have both names


class Crs:
    """The coordinate reference system that a collection names.

    :param member: its ``crs``, decoded; ``None`` where it has none.
    """

    def __init__(self, member: Any) -> None:
        self._member = member
        self._name = _name(member)

    @classmethod
    def of(cls, collection: Collection) -> Crs:
        """That of a collection."""
        return cls(collection.member("crs"))

    def __str__(self) -> str:
        if self._member is None:
            return "longitude and latitude (no crs)"
        return self._name or json.dumps(self._member, ensure_ascii=False)

    @property
    def is_default(self) -> bool:
        """True for the reference system that GeoJSON has anyway."""
        return self._member is None or self._name in _DEFAULT

    def is_same(self, other: Crs) -> bool:
        """True if both are one reference system, whatever name each goes by."""
        if self.is_default or other.is_default:
            return self.is_default and other.is_default
        if self._name or other._name:
            return self._name == other._name
        return same_value(self._member, other._member)


def _name(member: Any) -> str:
    """``<authority>:<code>`` of a member, else the name as written; empty where there is none."""
    properties = member.get("properties") if isinstance(member, dict) else None
    if not isinstance(properties, dict):
        properties = {"name": member}
    if isinstance(member, dict) and str(member.get("type")).upper() == "EPSG":  # before the specification
        properties = {"name": properties.get("code")}
    for key in ("name", "href", "urn"):
        text = properties.get(key)
        if isinstance(text, str | int) and not isinstance(text, bool) and str(text).strip():
            return _normal(str(text).strip())
    return ""


def _normal(text: str) -> str:
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is not None:
            authority, code = found["authority"].upper(), found["code"].upper()
            name = f"{_AUTHORITIES.get(authority, authority)}:{code}"
            return _ALIASES.get(name, name)
    return text
