"""Ids of items: text, unique in a document, and good as a name of a file and as a part of a URL.

Source: STAC 1.1, "Item", ``id``, and the best practices, "Item IDs".
"""

from __future__ import annotations

import hashlib
import re

__all__ = ["Ids", "folder_name"]

_OTHER = re.compile(r"[^\w.\-:+=@~]+")
_NOT_IN_FOLDERS = re.compile(r"[^A-Za-z0-9._\-~@+=]+")
_LONGEST = 120  # characters; of UTF-8 each has at most 4 bytes, less than a name of a file may have in bytes
_SHORTEST_DIGEST = 16


class Ids:
    """Gives an id to each feature; no two ids differ in case alone, which some file systems fold."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, given: str | float | None, raw: bytes | memoryview, origin: str = "") -> str:
        """Return the id for a feature.

        :param given: the feature's own. Characters that make trouble in URLs and paths become ``_``.
        :param raw: the feature's bytes, by whose digest a feature without an id is named.
        :param origin: the key of a feature that was forwarded: that digest where it first came from.
        """
        text = "" if given is None else _OTHER.sub("_", _shortened(str(given))).lstrip(".")
        digest = origin or ("" if text else hashlib.sha256(raw).hexdigest())
        return self._unique(text or f"feature-{digest[:_SHORTEST_DIGEST]}")

    def _unique(self, text: str) -> str:
        made, number = text, 2
        while made.casefold() in self._taken:
            made, number = f"{text}~{number}", number + 1
        self._taken.add(made.casefold())
        return made


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_SHORTEST_DIGEST]
    return f"{text[:_LONGEST]}~{digest}"


def folder_name(text: str, taken: set[str]) -> str:
    """Return a name for a folder or a file that relative links can hold as it is; no other text gets it.

    :param taken: the names that were given, in lower case; the new one is added.
    """
    plain = _NOT_IN_FOLDERS.sub("-", text).strip(".-") or "_"
    made, number = plain, 2
    while made.lower() in taken:
        made, number = f"{plain}~{number}", number + 1
    taken.add(made.lower())
    return made
