"""Numbers by the value that their text has, also where no machine number has it (RFC 8259 §6).

A text of up to 17 significant digits within the range of floating point stands for the nearest 64-bit number
(IEEE 754). 17 digits are enough for each of these: a program that reads and writes such a number may change
its text, and not its value. A text with more digits, or beyond the range, is the decimal number that it says.
"""

from __future__ import annotations

import re
import sys
from typing import NamedTuple

__all__ = ["Exact", "fits_machine", "integer", "is_unusual", "number"]

_FAITHFUL = 17  # significant digits
_MOST_DIGITS = 4000  # of an integer; Python refuses to convert more than 4,300
_MOST_EXPONENT = 18  # digits
_LARGEST, _SMALLEST = sys.float_info.max, sys.float_info.min
_PARTS = re.compile(r"-?(?P<whole>\d+)(?:\.(?P<part>\d+))?(?:[eE](?P<exponent>[+-]?\d+))?")
_UNUSUAL = re.compile(rb"\d(?:[\d.]{18}|\d{17}[eE]|[eE][+-]?\d{3})")


class Exact(NamedTuple):
    """A number that no machine number has the value of: ``digits`` times ten to the power of ``exponent``."""

    is_negative: bool
    digits: str
    exponent: int


def is_unusual(text: bytes | memoryview) -> bool:
    """True if some number in a JSON text may have a value that no machine number has."""
    return _UNUSUAL.search(text) is not None


def fits_machine(value: float) -> bool:
    """True if a number is within the range of 64-bit integers, however it is written."""
    return -(2**63) <= value < 2**64


def number(text: str) -> float | int | Exact:
    """The value of a number that is written with a point or an exponent."""
    value = float(text)
    if len(text) <= _FAITHFUL and _SMALLEST <= abs(value) <= _LARGEST:
        return value
    return _exact(text, value)


def integer(text: str) -> int | Exact:
    """The value of a number that is written with digits alone."""
    if len(text) < _MOST_DIGITS:
        return int(text)
    digits = text.lstrip("-")
    kept = digits.rstrip("0")
    return Exact(text.startswith("-"), kept, len(digits) - len(kept))


def _exact(text: str, value: float) -> float | int | Exact:
    found = _PARTS.fullmatch(text)
    if found is None:  # no JSON: NaN, Infinity
        return value
    whole, part, power = found["whole"], found["part"] or "", found["exponent"] or "0"
    leading = (whole + part).lstrip("0")
    digits = leading.rstrip("0")
    if not digits:
        return 0.0
    is_negative = text.startswith("-")
    if len(power.lstrip("+-0")) > _MOST_EXPONENT:
        return Exact(is_negative, f"{digits}e{power}", 0)
    exponent = int(power) - len(part) + len(leading) - len(digits)
    if len(digits) <= _FAITHFUL and _SMALLEST <= abs(value) <= _LARGEST:
        return value
    if exponent >= 0 and len(digits) + exponent < _MOST_DIGITS:
        return int(digits + "0" * exponent) * (-1 if is_negative else 1)
    return Exact(is_negative, digits, exponent)
