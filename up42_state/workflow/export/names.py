"""Names for tasks in other engines: short, of few characters, and each of one task only."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["dns_name", "unique_names"]

_OTHERS = re.compile(r"[^a-z0-9]+")
_DIGITS = 6  # of the digest that tells names apart
# Argo evaluates dependencies as expressions, in which these are no names.
_WORDS = frozenset(("and", "false", "in", "let", "matches", "nil", "not", "null", "or", "true"))


def dns_name(text: str, most: int = 63) -> str:
    """Return a name of lower-case letters, digits and hyphens, which begins with a letter (RFC 1035).

    A name that is too long ends with a digest of the whole text.
    """
    name = _OTHERS.sub("-", text.lower()).strip("-") or "t"
    if not name[0].isalpha():
        name = f"t-{name}"
    return name if len(name) <= most and name not in _WORDS else _with_digest(name, text, most)


def unique_names(
    texts: Iterable[str], suffixes: Sequence[str] = ("",), *, taken: Iterable[str] = (), most: int = 63
) -> dict[str, str]:
    """Return a name for each text, by :func:`dns_name`; a name that is taken gets a digest of its text.

    :param texts: that differ, such as the names of a workflow's tasks.
    :param suffixes: the format appends these to a name, and no two of the results are equal either.
    :param taken: names that the format uses itself.
    :param most: characters of a name with its longest suffix.
    """
    room = most - max(map(len, suffixes))
    used = set(taken)
    names: dict[str, str] = {}
    for text in texts:
        name, tries = dns_name(text, room), 0
        while any(f"{name}{suffix}" in used for suffix in suffixes):
            name = _with_digest(dns_name(text, room), f"{text}{' ' * tries}", room)
            tries += 1
        used.update(f"{name}{suffix}" for suffix in suffixes)
        names[text] = name
    return names


def _with_digest(name: str, text: str, most: int) -> str:
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    return f"{name[: most - _DIGITS - 1].rstrip('-')}-{digest}"
