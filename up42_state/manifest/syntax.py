"""The text of a manifest: strict JSON (RFC 8259), with the line and column of what is wrong.

Python's own reader takes ``NaN``, keeps the last of two equal keys without a word, and stops at the first
trailing comma. A manifest is written by hand: all trailing commas and all duplicated keys are reported.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from up42_state.errors import Defect
from up42_state.manifest.pointers import pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_BYTES", "Document", "parse"]

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64  # no manifest comes near; far below the depth at which Python's recursion ends
MAX_COMMAS = 100

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A JSON value and what is wrong with the text that it was read from.

    :param value: the value; ``None`` where the text is not JSON at all (then ``readable`` is false).
    :param readable: whether there is a value to go on with.
    """

    value: object = None
    readable: bool = True
    defects: tuple[Defect, ...] = ()


def parse(text: str | bytes) -> Document:
    """Read one JSON document of at most 1 MiB. Never raises: what is wrong is in ``defects``."""
    if len(text) > MAX_BYTES:
        return _unreadable(f"the document is larger than {MAX_BYTES} bytes")
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        return _unreadable(f"not UTF-8 at byte {error.start}")
    return _parse_text(decoded.removeprefix("\ufeff"))


def _parse_text(text: str) -> Document:
    commas: list[Defect] = []
    patched = text
    for _ in range(MAX_COMMAS):
        try:
            value = json.loads(patched, parse_constant=_refuse, parse_float=_finite)
            break
        except json.JSONDecodeError as error:
            comma = _trailing_comma(patched, error.pos)
            if comma is None:
                return _unreadable(_problem(patched, error), *commas)
            commas.append(_at(text, comma, "#", "trailing comma"))
            patched = f"{patched[:comma]} {patched[comma + 1 :]}"
        except RecursionError:
            return _unreadable(f"nested deeper than {MAX_DEPTH} levels", *commas)
        except ValueError as error:  # NaN, Infinity, a number of more digits than Python reads
            return _unreadable(str(error), *commas)
    else:
        return _unreadable(f"more than {MAX_COMMAS} trailing commas", *commas)
    return _inspect(patched, value, commas)


def _inspect(text: str, value: object, commas: list[Defect]) -> Document:
    """What a reader takes without a word, but a manifest must not have."""
    duplicates, depth = _duplicates(text)
    if depth > MAX_DEPTH:
        return _unreadable(f"nested deeper than {MAX_DEPTH} levels", *commas)
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return _unreadable("a string holds half of a surrogate pair, which is no character", *commas)
    return Document(value=value, defects=(*commas, *duplicates))


def _duplicates(text: str) -> tuple[list[Defect], int]:
    """Every key that its object already has, and the greatest depth; the text is known to be JSON."""
    defects: list[Defect] = []
    seen: list[set[str] | None] = []  # one for each open container, None for an array
    path: list[str | int] = []
    depth = 0
    for mark, position, is_key in _tokens(text):
        if mark in "{[":
            seen.append(set() if mark == "{" else None)
            path.append(0)
            depth = max(depth, len(seen))
        elif mark in "}]":
            seen.pop()
            path.pop()
        elif mark == ",":
            last = path[-1]
            path[-1] = last + 1 if isinstance(last, int) else last
        elif is_key:
            keys, key = seen[-1], str(json.loads(mark))
            if keys is not None and key in keys:
                defects.append(_at(text, position, pointer(path[:-1]), f"duplicated key [{key}]"))
            if keys is not None:
                keys.add(key)
            path[-1] = key
    return defects, depth


def _tokens(text: str) -> Iterator[tuple[str, int, bool]]:
    """Strings and punctuation with their places, and whether the mark is an object's key."""
    pending: tuple[str, int] | None = None
    for match in _TOKEN.finditer(text):
        mark = match.group()
        if pending:
            yield *pending, mark == ":"
            pending = None
        if mark[0] == '"':
            pending = mark, match.start()
        elif mark != ":":
            yield mark, match.start(), False


def _trailing_comma(text: str, position: int) -> int | None:
    """Where the comma is that made reading stop, if one did: Python 3.13 stops at it, 3.12 after it."""
    if text[position : position + 1] == ",":
        after = text[position + 1 :].lstrip()
        return position if after[:1] in ("}", "]") and text[:position].rstrip()[-1:] not in "{[," else None
    before = text[:position].rstrip()
    stopped = text[position:].lstrip()[:1]
    if before.endswith(",") and stopped in ("}", "]") and before[:-1].rstrip()[-1:] not in ("{", "[", ","):
        return len(before) - 1
    return None


def _problem(text: str, error: json.JSONDecodeError) -> str:
    if text.startswith(("//", "/*", "#"), error.pos):
        return _located(text, error.pos, "not JSON: comments are not permitted")
    what = error.msg[:1].lower() + error.msg[1:]
    return _located(text, error.pos, f"not JSON: {what}" if text.strip() else "not JSON: empty")


def _located(text: str, position: int, problem: str) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return f"{problem} at line {line}, column {column}"


def _at(text: str, position: int, place: str, problem: str) -> Defect:
    return Defect(place, _located(text, position, problem))


def _unreadable(problem: str, *earlier: Defect) -> Document:
    return Document(readable=False, defects=(*earlier, Defect("#", problem)))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"not JSON: {constant} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{digits[:40]} is beyond the range of a number")
    return number
