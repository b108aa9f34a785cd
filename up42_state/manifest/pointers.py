"""JSON pointers (RFC 6901), and JSON values as text: to print them, and to compare them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["canonical", "legible", "pointer", "same", "step", "type_name"]

_LONGEST = 120  # characters of a value in a message


def pointer(path: Iterable[str | int]) -> str:
    """Return a JSON pointer as a URI fragment (RFC 6901 §6): ``#``, or ``#/machine/type`` for a part."""
    return "/".join(("#", *map(step, path)))


def step(part: str | int) -> str:
    """Return one step of a JSON pointer: a key with ``~`` and ``/`` escaped, or an index."""
    return legible(part.replace("~", "~0").replace("/", "~1")) if isinstance(part, str) else str(part)


def legible(value: object) -> str:
    """Return a JSON value as one printable line: a string as it is, other values as JSON.

    A line of more than 120 characters is cut.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= _LONGEST and text.isprintable():
        return text
    printable = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text[: _LONGEST + 1])
    return printable if len(printable) <= _LONGEST else f"{printable[: _LONGEST - 1]}…"


def type_name(value: object) -> str:
    """Return the type of a JSON value as the platform's messages named it, by its Java class."""
    if isinstance(value, bool) or value is None:
        return "Null" if value is None else "Boolean"
    if isinstance(value, int):
        bits = value.bit_length()
        return "Integer" if bits < 32 else "Long" if bits < 64 else "BigInteger"
    names = {float: "Double", str: "String", list: "JSONArray", dict: "JSONObject"}
    return names.get(type(value), type(value).__name__)


def same(one: object, other: object) -> bool:
    """True if two JSON values are equal: 768 equals 768.0, but 1 does not equal ``true``."""
    if isinstance(one, (list, dict)) and type(one) is type(other):
        return canonical(one) == canonical(other)
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def canonical(value: object) -> str:
    """Return a text that is equal for equal JSON values."""
    return json.dumps(_plain(value), sort_keys=True, default=str)  # a YAML file may give dates


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return value
