"""Defects of a text that should be JSON in UTF-8, and the line, column or path of a place in it."""

from __future__ import annotations

import codecs
import json
import re
from array import array
from typing import TYPE_CHECKING

import msgspec

from up42_state.errors import Defect
from up42_state.features.text.hints import several
from up42_state.features.text.members import elements, members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Writable = bytearray | memoryview

__all__ = [
    "bad_numbers",
    "encoding_defect",
    "first_error",
    "line_and_column",
    "places_in",
    "property_place",
    "syntax_defect",
]

_STEP = 1024 * 1024  # bytes: a text of any size is gone through in little memory
_BYTE = re.compile(r"\(byte (\d+)\)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# A string that does not end is one token: see the same pattern in ``members``.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|-?(?:NaN|Infinity)', re.DOTALL)
_HALF_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")
_BRACE, _BRACKET = b"{["


def encoding_defect(text: memoryview) -> Defect | None:
    """The first byte that is not UTF-8 (RFC 8259 §8.1 asks for UTF-8), or ``None``."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(text), _STEP):
        piece = bytes(text[start : start + _STEP])
        if piece.isascii() and decoder.getstate()[0] == b"":
            continue
        try:
            decoder.decode(piece, final=start + _STEP >= len(text))
        except UnicodeDecodeError as error:
            pending = len(error.object) - len(piece)
            offset = start + error.start - pending
            line, _ = line_and_column(text, offset)
            return Defect("data.json", f"is not UTF-8 at byte {offset}, in line {line}", "write it in UTF-8")
    return None


def syntax_defect(text: memoryview, error: Exception) -> Defect:
    """The defect that a failed decoding tells of, with line and column.

    :param text: what was decoded.
    """
    if isinstance(error, RecursionError):
        return Defect("data.json", "is nested too deeply to be read", "write it flatter")
    offset, reason = _reason(text, str(error))
    further = several(text) if "trailing characters" in str(error) else None
    if further is not None:
        return further
    line, column = line_and_column(text, min(offset, len(text)))
    return Defect("data.json", f"is not JSON at line {line}, column {column}: {reason}", "write valid JSON")


def _reason(text: memoryview, message: str) -> tuple[int, str]:
    """The offset at which the text is malformed, and why."""
    half = _HALF_PAIR.search(text)
    if half is not None and ("truncated" in message or "surrogate" in message):
        return half.start(), "half of a surrogate pair, which is no character"
    found = _BYTE.search(message)
    if found is not None:
        return int(found.group(1)), message.removeprefix("JSON is malformed: ").split(" (byte")[0]
    return len(text), "it ends too early" if len(text) else "it is empty"


def line_and_column(text: memoryview, offset: int) -> tuple[int, int]:
    """Line and column of a byte, both from 1; the column counts characters."""
    line, line_start = 1, 0
    for start in range(0, offset, _STEP):
        piece = bytes(text[start : min(start + _STEP, offset)])
        line += piece.count(b"\n")
        last = piece.rfind(b"\n")
        line_start = start + last + 1 if last >= 0 else line_start
    before = bytes(text[line_start:offset]).decode("utf-8", "replace")
    return line, len(before) + 1


def bad_numbers(text: Writable) -> array[int]:
    """The offsets of ``NaN``, ``Infinity`` and ``-Infinity``, which JSON does not have (RFC 8259 §6).

    Each is overwritten by a number of the same length, so that the rest of the text can be read.
    """
    found = array("Q")
    for token in _TOKEN.finditer(text):
        start, end = token.span()
        if text[start] != ord('"'):
            found.append(start)
            text[start:end] = b"1" * (end - start)
    return found


def places_in(text: memoryview, offsets: Iterable[int], start: int = 0) -> Iterator[str]:
    """The paths from the value that begins at ``start`` to the scalars that stand at some offsets.

    :param offsets: in rising order, so that the text is gone through once.
    :returns: for each ``.geometry.coordinates[0][1]``, or an empty string where it is the value itself.
    """
    opened = [("", len(text), _inner(text, start))]
    for offset in offsets:
        while offset >= opened[-1][1]:
            opened.pop()
        place, _, inner = opened[-1]
        while (found := next((each for each in inner if offset < each[2]), None)) is not None:
            step, begin, end = found
            place, inner = place + step, _inner(text, begin)
            opened.append((place, end, inner))
        yield place


def _inner(text: memoryview, start: int) -> Iterator[tuple[str, int, int]]:
    """The step to each value in the value that begins at ``start``, and where that begins and ends."""
    if text[start] == _BRACE:
        return _in_object(text, start)
    return _in_array(text, start) if text[start] == _BRACKET else iter(())


def _in_object(text: memoryview, start: int) -> Iterator[tuple[str, int, int]]:
    for member in members(text, start):
        yield _step(member.name), member.start, member.end


def _in_array(text: memoryview, start: int) -> Iterator[tuple[str, int, int]]:
    for index, (begin, end) in enumerate(elements(text, start)):
        yield f"[{index}]", begin, end


def _step(name: str) -> str:
    return f".{name}" if _NAME.fullmatch(name) else f"[{json.dumps(name, ensure_ascii=False)}]"


def property_place(index: int, name: str) -> str:
    """The place of a feature's property, ``features[17].properties["up42.data_path"]``."""
    return f"features[{index}].properties{_step(name)}"


def first_error(text: memoryview) -> msgspec.DecodeError | RecursionError | None:
    """Why a text is not JSON, or ``None`` if it is."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        return error
    return None
