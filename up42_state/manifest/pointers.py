"""JSON pointers (RFC 6901) in their URI fragment form, and JSON values as text: to print, and to compare."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["canonical", "legible", "pointer", "same", "step", "type_name"]


def pointer(path: Iterable[str | int]) -> str:
    """``#`` for the whole document, ``#/machine/type`` for a part; ``~`` and ``/`` in keys are escaped."""
    return "/".join(("#", *map(step, path)))


def step(part: str | int) -> str:
    """One step of a pointer: a key or an index."""
    return legible(part.replace("~", "~0").replace("/", "~1")) if isinstance(part, str) else str(part)


def legible(value: object, limit: int = 120) -> str:
    """A JSON value as one printable line: a string as it is, the rest as JSON; cut at ``limit``."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= limit and text.isprintable():
        return text
    printable = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text[: limit + 1])
    return printable if len(printable) <= limit else f"{printable[: limit - 1]}…"


def type_name(value: object) -> str:
    """The Java class that the platform's messages name for a JSON value."""
    if isinstance(value, bool) or value is None:
        return "Null" if value is None else "Boolean"
    if isinstance(value, int):
        bits = value.bit_length()
        return "Integer" if bits < 32 else "Long" if bits < 64 else "BigInteger"
    names = {float: "Double", str: "String", list: "JSONArray", dict: "JSONObject"}
    return names.get(type(value), type(value).__name__)


def same(one: object, other: object) -> bool:
    """Whether two JSON values are equal: 768 is 768.0, but ``true`` is not 1."""
    if isinstance(one, (list, dict)) and type(one) is type(other):
        return canonical(one) == canonical(other)
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def canonical(value: object) -> str:
    """A text that is the same for equal JSON values."""
    return json.dumps(_plain(value), sort_keys=True, default=str)  # a YAML file may give dates


def _plain(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    return value
