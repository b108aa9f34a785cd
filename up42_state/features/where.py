"""Conditions on features' properties: the clauses that ``--where`` and ``where=`` take.

The grammar, which ``docs/cli.md`` explains::

    clause   = name operator value
    name     = characters other than < > = ! "  |  a JSON string
    operator = "=" | "==" | "!=" | "<" | "<=" | ">" | ">="
    value    = a JSON value  |  'text'  |  text without < > = "

White space around the three parts does not count. After < <= > >= a text that begins as a number and goes on
after white space is refused, unless the text is a date-time.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from up42_state.errors import SettingsError
from up42_state.features.text.values import same_value

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ABSENT", "Condition", "conditions", "property_value"]

_CLAUSE = re.compile(
    r"""\s*(?P<name>"(?:[^"\\]|\\.)*"|[^<>=!"]+?)\s*(?P<operator><=|>=|!=|==|=|<|>)\s*(?P<value>.*?)\s*""",
    re.DOTALL,
)
# "cloud<20 and clear" would compare texts and choose wrongly without a word, so such a value is refused.
_NUMBER_AND_MORE = re.compile(r"[+-]?[0-9][0-9.]*\s.*", re.DOTALL)
_SINGLE = re.compile(r"'((?:[^']|'')*)'", re.DOTALL)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
# RFC 3339 §5.6, with a space for the T, and without the time or the offset, which then are 00:00 and UTC.
_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d+))?([Zz]|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_DATE = len("2024-05-11")
ABSENT = object()


class Condition(NamedTuple):
    """A condition on one property.

    :param name: the property's name; dots lead into nested properties.
    :param holds: tells whether a value is wanted; called with :data:`ABSENT` where a feature has no value.
    """

    name: str
    holds: Callable[[Any], bool]

    def fits(self, properties: Mapping[str, Any]) -> bool:
        """True if a feature's properties meet the condition."""
        return self.holds(property_value(properties, self.name))


class _Literal(NamedTuple):
    """The right side of a clause: the value as JSON, and the text that strings are compared with."""

    value: Any
    text: str


def property_value(properties: Mapping[str, Any], name: str) -> Any:
    """A property by its name, or a nested one by the names on the way to it, joined by dots.

    :returns: :data:`ABSENT`, which equals no JSON value, where there is no such property.
    """
    if name in properties:
        return properties[name]
    for end, character in enumerate(name):
        inner = properties.get(name[:end]) if character == "." else None
        if isinstance(inner, Mapping):
            value = property_value(inner, name[end + 1 :])
            if value is not ABSENT:
                return value
    return ABSENT


def conditions(where: Mapping[str, Any] | Iterable[str] | str | None) -> list[Condition]:
    """The conditions that ``where`` gives; a wanted feature meets all of the conditions.

    :param where: properties and their values, ``{"sensor": "SPOT"}``, or clauses, ``["cloud<=20"]``.
    :raises SettingsError: a clause does not follow the grammar.
    """
    if where is None:
        return []
    if isinstance(where, Mapping):
        return [_equality(name.removeprefix("properties."), value) for name, value in where.items()]
    if not isinstance(where, Iterable):
        raise SettingsError(f"where is {where!r:.60}", advice='give clauses, such as ["cloud<20"], or a dict')
    return [_condition(text) for text in ([where] if isinstance(where, str) else where)]


def _equality(name: str, wanted: Any) -> Condition:
    return Condition(name, lambda value: same_value(value, wanted))


def _condition(clause: str) -> Condition:
    matched = _CLAUSE.fullmatch(clause)
    if matched is None:
        _refuse(clause, "it is no comparison of a property with a value")
    name, literal = _name(matched["name"], clause), _literal(matched["value"], clause)
    compare = _ORDER.get(matched["operator"])
    if compare is None:
        wanted = matched["operator"] != "!="
        return Condition(name, lambda value: _equals(value, literal) == wanted)
    if isinstance(literal.value, bool | list | dict | None):
        _refuse(clause, f"{literal.text} is neither a number nor text, so nothing is less or more")
    if _NUMBER_AND_MORE.fullmatch(matched["value"]) and _instant(literal.text) is None:
        _refuse(clause, f"the value {literal.text} begins as a number and is none; put a text in quotes")
    return Condition(name, lambda value: _ordered(compare, value, literal))


def _refuse(clause: str, problem: str) -> NoReturn:
    raise SettingsError(
        f"the condition {clause!r} is malformed: {problem}",
        advice='write NAME OPERATOR VALUE with one of = != < <= > >=, such as "cloud<20" or "sensor=SPOT"; '
        "give several conditions separately (repeat --where)",
    )


def _name(text: str, clause: str) -> str:
    if text.startswith('"'):
        try:
            text = json.loads(text)
        except ValueError:
            _refuse(clause, f"the name {text} is no JSON string")
    name = text.removeprefix("properties.")
    if not name:
        _refuse(clause, "it names no property")
    return name


def _literal(text: str, clause: str) -> _Literal:
    """A JSON value, a text in single quotes (a quote inside the text is doubled), or the text as given."""
    if not text:
        _refuse(clause, 'there is no value; write "" in quotes for the empty text')
    quoted = _SINGLE.fullmatch(text)
    if quoted is not None:
        inside = quoted[1].replace("''", "'")
        return _Literal(inside, inside)
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        if text[0] == "'" or any(sign in text for sign in '<>="'):
            _refuse(clause, f"the value {text} has signs of another clause; put it in quotes if it is a text")
        return _Literal(text, text)
    return _Literal(value, value if isinstance(value, str) else text)


def _no_constant(name: str) -> NoReturn:
    """``NaN`` and ``Infinity`` are no JSON (RFC 8259 §6), although Python reads both: here both are text."""
    raise ValueError(name)


def _equals(value: Any, literal: _Literal) -> bool:
    if same_value(value, literal.value):
        return True
    if not isinstance(value, str):
        return False
    return value == literal.text or _same_instant(value, literal.text)


def _same_instant(one: str, other: str) -> bool:
    """True if both are date-times of one instant. A date alone is a day, and equals no instant of it."""
    if len(one) == _DATE or len(other) == _DATE:
        return False
    instant = _instant(one)
    return instant is not None and instant == _instant(other)


def _ordered(compare: Callable[[Any, Any], bool], value: Any, literal: _Literal) -> bool:
    """Numbers compare with numbers, date-times with date-times, and other strings with the text."""
    if isinstance(value, str):
        ours, theirs = _instant(value), _instant(literal.text)
        if ours is not None and theirs is not None:
            return compare(ours, theirs)
        return compare(value, literal.text)
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (value, literal.value))
    return numbers and compare(value, literal.value)


def _instant(text: str) -> tuple[datetime, str] | None:
    """The instant of a date or date-time: the second in UTC, and the digits of the second's fraction.

    A ``datetime`` keeps six digits of a fraction, and RFC 3339 allows more: the digits compare as text."""
    matched = _INSTANT.fullmatch(text)
    if matched is None:
        return None
    date, time, fraction, offset = matched.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{time or '00:00'}{(offset or 'Z').upper()}")
        return moment.astimezone(UTC), (fraction or "").rstrip("0")
    except (ValueError, OverflowError):  # no such day, or before the year 1 in UTC
        return None
