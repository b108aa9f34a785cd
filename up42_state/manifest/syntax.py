"""Parse the text of a manifest as strict JSON (RFC 8259), and tell the line and column of each defect.

Python's JSON reader accepts ``NaN``, silently keeps the last of two equal keys, and stops at the first
trailing comma. People write manifests by hand, so this parser reports all trailing commas and all duplicate
keys at once.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NoReturn

from up42_state.errors import Defect
from up42_state.manifest.pointers import legible, pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_DIGITS", "MAX_DUPLICATES", "Document", "decode", "parse"]

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64  # no manifest comes near; far below the depth at which Python's recursion ends
MAX_VALUES = 20_000  # a manifest has some hundreds; checking takes a second for so many
MAX_COMMAS = 100  # the document is parsed once more for each
MAX_DUPLICATES = 100  # defects that a person can still read
MAX_DIGITS = 400  # a float has at most 309; int() takes quadratic time

# A string that does not end is one token up to the end of the text; were it none, each quote in it would
# begin another search for its end, in quadratic time.
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_HIGH, _LOW = r"\\u[dD][89abAB][0-9a-fA-F]{2}", r"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF_PAIR = re.compile(rf"{_HIGH}(?!{_LOW})|(?<!{_HIGH}){_LOW}|[\ud800-\udfff]")
_TOKEN = re.compile(rf"{_STRING}|[{{}}\[\]:,]", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A JSON value and what is wrong with the text that it was read from.

    :param value: the value; ``None`` if the text is not JSON.
    :param readable: True if there is a value, perhaps with defects such as trailing commas.
    """

    value: object = None
    readable: bool = True
    defects: tuple[Defect, ...] = ()


def parse(text: str | bytes, *, max_bytes: int = MAX_BYTES, max_values: int = MAX_VALUES) -> Document:
    """Parse a JSON document. Never raises: ``defects`` says what is wrong."""
    decoded = decode(text, max_bytes)
    return decoded if isinstance(decoded, Document) else _parse_text(decoded, max_values)


def decode(text: str | bytes, max_bytes: int) -> str | Document:
    """Return a text without its byte order mark, or what is wrong: it is too long, or not UTF-8."""
    if len(text) > max_bytes:
        return _unreadable(f"the document is larger than {max_bytes} bytes")
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        return _unreadable(_located(before, len(before), "not UTF-8"))
    return decoded.removeprefix("\ufeff")


def _parse_text(text: str, max_values: int) -> Document:
    excess = _excess(text, max_values)
    if excess is not None:
        return _unreadable(_located(text, *excess))
    commas: list[Defect] = []
    patched = text
    while len(commas) < MAX_COMMAS:
        try:
            value = json.loads(patched, parse_constant=_refuse, parse_float=_finite, parse_int=_integer)
        except json.JSONDecodeError as error:
            comma = _trailing_comma(patched, error.pos)
            if comma is None:
                return _unreadable(_problem(patched, error), *commas)
            commas.append(_at(text, comma, "#", "trailing comma"))
            patched = f"{patched[:comma]} {patched[comma + 1 :]}"
        except _NumberError as error:
            return _unreadable(_located(text, _number_at(text, error.literal), str(error)), *commas)
        else:
            return _inspect(patched, value, commas)
    return _unreadable(f"more than {MAX_COMMAS - 1} trailing commas", *commas)


def _inspect(text: str, value: object, commas: list[Defect]) -> Document:
    """Report what Python's reader accepts, but a manifest must not hold: lone surrogates, equal keys."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        half = _HALF_PAIR.search(text)
        problem = "a string holds half of a surrogate pair, which is no character"
        return _unreadable(_located(text, half.start() if half else 0, problem), *commas)
    return Document(value=value, defects=(*commas, *islice(_duplicates(text), MAX_DUPLICATES)))


def _excess(text: str, max_values: int) -> tuple[int, str] | None:
    """Return the position of the first value that is too deep or one too many, and the problem.

    The text need not be JSON: the limits hold before a parser that could exhaust memory sees the text.
    """
    depth = values = 0
    for mark, position, _ in _tokens(text):
        depth += (mark in "{[") - (mark in "}]")
        values += mark in "{[,"
        if depth > MAX_DEPTH:
            return position, f"nested deeper than {MAX_DEPTH} levels"
        if values > max_values:
            return position, f"more than {max_values} values"
    return None


def _duplicates(text: str) -> Iterator[Defect]:
    """Yield a defect for every key that its object already has. The text must be JSON."""
    seen: list[set[str]] = []  # the keys of each open container; of an array none
    path: list[str | int] = []
    for mark, position, is_key in _tokens(text):
        if mark in "{[":
            seen.append(set())
            path.append(0)
        elif mark in "}]":
            seen.pop()
            path.pop()
        elif mark == ",":
            last = path[-1]
            path[-1] = last + 1 if isinstance(last, int) else last
        elif is_key:
            path[-1] = key = str(json.loads(mark))
            if key in seen[-1]:
                problem = f"duplicated key [{legible(key)}]"
                yield _at(text, position, pointer(path[:-1]), problem)
            seen[-1].add(key)


def _tokens(text: str) -> Iterator[tuple[str, int, bool]]:
    """Yield strings and punctuation with their positions, and True for a string that is an object's key."""
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
    """Return the position of the comma at which Python's reader stopped, or None if it stopped elsewhere.

    Python 3.13 reports the comma itself, Python 3.12 the mark after it.
    """
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
    what = (error.msg[:1].lower() + error.msg[1:]).removesuffix(" at")
    return _located(text, error.pos, f"not JSON: {what}" if text.strip() else "not JSON: empty")


def _located(text: str, position: int, problem: str) -> str:
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return f"{problem} at line {line}, column {column}"


def _at(text: str, position: int, place: str, problem: str) -> Defect:
    return Defect(place, _located(text, position, problem))


def _unreadable(problem: str, *earlier: Defect) -> Document:
    return Document(readable=False, defects=(*earlier, Defect("#", problem)))


class _NumberError(ValueError):
    def __init__(self, literal: str, problem: str) -> None:
        super().__init__(problem)
        self.literal = literal


def _refuse(constant: str) -> NoReturn:
    raise _NumberError(constant, f"not JSON: {constant} is no number")


def _finite(literal: str) -> float:
    number = float(literal)
    if number in (float("inf"), float("-inf")):
        raise _NumberError(literal, "a number beyond the range of floating point")
    return number


def _integer(literal: str) -> int:
    if len(literal) > MAX_DIGITS:
        raise _NumberError(literal, f"a number of more than {MAX_DIGITS} digits")
    return int(literal)


def _number_at(text: str, literal: str) -> int:
    """Return the position of the first such number outside of strings."""
    pattern = re.compile(f"{_STRING}|(?P<number>{re.escape(literal)})", re.DOTALL)
    return next(match.start() for match in pattern.finditer(text) if match["number"] is not None)
