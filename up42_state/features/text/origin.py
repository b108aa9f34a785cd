"""Provenance: the stage and feature that a forwarded feature first came from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ORIGIN", "Origin", "may_be_in"]

ORIGIN = "up42.state.origin"

_KEY = ORIGIN.encode()
_NAME = r"[A-Za-z0-9][A-Za-z0-9._\-:+=@]{0,199}"
_FORM = re.compile(rf"(?P<job>{_NAME})/(?P<stage>{_NAME})@(?P<revision>[0-9]+)#(?P<key>[^\s#]+)")


class Origin(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The provenance of a feature, written ``<job>/<stage>@<revision>#<key>``.

    :param revision: of the stage when the feature was forwarded; two origins that differ in it alone name
        the same feature.
    :param key: a digest of the original feature, and its number among equal ones.
    """

    job: str
    stage: str
    revision: int
    key: str

    @classmethod
    def parse(cls, text: Any) -> Self | None:
        """The origin that a property's value gives, or ``None`` if it is none."""
        found = _FORM.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            return None
        # 18 digits fit a machine number. Anybody can write an origin, and no feature is told by its revision.
        return cls(
            job=found["job"], stage=found["stage"], revision=int(found["revision"][:18]), key=found["key"]
        )

    def __str__(self) -> str:
        return f"{self.job}/{self.stage}@{self.revision}#{self.key}"

    @property
    def identity(self) -> str:
        """The provenance without the revision: two features are one if their identities are equal."""
        return f"{self.job}/{self.stage}#{self.key}"


def may_be_in(properties: Iterable[bytes | msgspec.Raw]) -> bool:
    """True if one of these texts of properties may hold a provenance; if not, none need be decoded."""
    text = b"".join(properties)
    return _KEY in text or b"\\" in text
