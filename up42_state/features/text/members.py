"""Finding the members of JSON objects in their text, and adding to them without touching the rest.

Everything here works on text that is known to be valid JSON, in UTF-8 (RFC 8259 §2).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Text = bytes | memoryview

__all__ = [
    "SPACE",
    "Member",
    "elements",
    "end_of_members",
    "members",
    "named",
    "quoted",
    "value_end",
    "with_members",
]

SPACE = re.compile(rb"[ \t\n\r]*")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SCALAR = re.compile(rb"[^ \t\n\r,\]}]+")
# Text that is no JSON comes here too. A string that does not end is one token up to the end of the text; were
# it none, each quote in it would begin another search for its end, in quadratic time.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_OPENING, _CLOSING = frozenset(b"[{"), frozenset(b"]}")
_BLANK = ord(" ")
_QUOTE, _COMMA, _COLON, _BRACE_END, _BRACKET_END = b'",:}]'


class Member(NamedTuple):
    """A member of an object: its name, and where its name begins and its value begins and ends."""

    name: str
    name_start: int
    start: int
    end: int


def value_end(text: Text, start: int) -> int:
    """The offset at which the value that begins at ``start`` ends.

    :raises ValueError: the text is not valid JSON there.
    """
    first = text[start] if start < len(text) else 0
    if first in _OPENING:
        return _container_end(text, start)
    found = (_STRING if first == _QUOTE else _SCALAR).match(text, start)
    if found is None:
        raise ValueError(start)
    return found.end()


def _container_end(text: Text, start: int) -> int:
    depth = 0
    for token in _TOKEN.finditer(text, start):
        first = text[token.start()]
        if first in _OPENING:
            depth += 1
        elif first in _CLOSING:
            depth -= 1
            if not depth:
                return token.end()
    raise ValueError(start)


def members(
    text: Text, start: int = 0, *, end_of: Callable[[str, int], int] | None = None
) -> Iterator[Member]:
    """Yield the members of the object that begins at ``start``, in order, repeated names included.

    :param end_of: says where a member's value ends, given its name and where the value begins.
    :raises ValueError: the text is not valid JSON there.
    """
    position = _skip(text, start + 1)
    while text[position] != _BRACE_END:
        found = _STRING.match(text, position)
        if found is None:
            raise ValueError(position)
        begin = _skip(text, _after(text, found.end(), _COLON))
        name = msgspec.json.decode(found.group(), type=str)
        end = end_of(name, begin) if end_of else value_end(text, begin)
        yield Member(name, position, begin, end)
        position = _skip(text, end)
        if text[position] == _COMMA:
            position = _skip(text, position + 1)


def elements(text: Text, start: int = 0) -> Iterator[tuple[int, int]]:
    """Yield the offsets at which each element of the array that begins at ``start`` begins and ends."""
    position = _skip(text, start + 1)
    while text[position] != _BRACKET_END:
        end = value_end(text, position)
        yield position, end
        position = _skip(text, end)
        if text[position] == _COMMA:
            position = _skip(text, position + 1)


def _skip(text: Text, position: int) -> int:
    found = SPACE.match(text, position)
    if found is None or found.end() >= len(text):
        raise ValueError(position)
    return found.end()


def _after(text: Text, position: int, character: int) -> int:
    position = _skip(text, position)
    if text[position] != character:
        raise ValueError(position)
    return position + 1


def end_of_members(text: bytes) -> tuple[int, bytes]:
    """The offset at which a member can be added at the end of an object, and what must stand before it.

    It is laid out as the object's first member is: on a line of its own, say.
    """
    if text[1] == _QUOTE and text[-2] > _BLANK:  # nearly always: nothing between braces and members
        return len(text) - 1, b", "
    body = text[:-1].rstrip(b" \t\n\r")
    if len(body) == 1:
        return 1, b""
    space = SPACE.match(text, 1)
    return len(body), b"," + ((space.group() if space else b"") or b" ")


def with_members(text: bytes, values: Mapping[str, bytes]) -> bytes:
    """An object with some members set: replaced where they stand, added at the end where they do not.

    :param text: the object's text; it begins with ``{``.
    :param values: the text of each member's value, by name.
    """
    pieces, done, missing = [], 0, dict(values)
    for member in members(text):
        if member.name in values:
            pieces += [text[done : member.start], values[member.name]]
            done = member.end
            missing.pop(member.name, None)
    changed = b"".join([*pieces, text[done:]])
    if not missing:
        return changed
    offset, before = end_of_members(changed)
    new = (before or b", ").join(named(name, value) for name, value in missing.items())
    return changed[:offset] + before + new + changed[offset:]


def named(name: str, value: bytes) -> bytes:
    """The text of a member."""
    return quoted(name) + b": " + value


def quoted(text: str) -> bytes:
    """A string as JSON writes it, in ASCII."""
    return json.dumps(text).encode()
