"""Text for people from text that may hold credentials: what a URL says besides where it leads."""

from __future__ import annotations

import re

__all__ = ["without_credentials"]

_USER = re.compile(r"//[^/\s'\"]*@")
_QUERY = re.compile(r"([?&][^=&#\s'\"]{1,200}=)[^&#\s'\"]+")


def without_credentials(text: str) -> str:
    """The text with user names and passwords taken out of its URLs (RFC 3986 §3.2.1), and the values of their
    queries, where signatures and tokens stand, replaced by ``…``.
    """
    return _QUERY.sub(r"\1…", _USER.sub("//", text))
