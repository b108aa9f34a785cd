"""Find out when a feature's data were taken, from the properties that blocks write.

STAC wants one time (``datetime``) or two (``start_datetime`` and ``end_datetime``), in UTC, as RFC 3339
writes them (STAC 1.1, "Date and Time"). Blocks write times under many names and in many forms.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["TIMES", "text_of", "times_of"]

TIMES = ("datetime", "start_datetime", "end_datetime")

# Names in lower case, without what stands between words; in the order in which they are believed. Times of
# processing, publishing and expiry are none of these: they say nothing of when the data were taken.
_INSTANTS = (
    *("acquisitiondatetime", "acquisitiondate", "acquisitiontime", "acquired", "acquiredat", "sensingtime"),
    *("sensingdate", "centerviewingdate", "observationtime", "timestamp", "time", "date"),
)
_RANGES = (
    *(("startdatetime", "enddatetime"), ("beginviewingdate", "endviewingdate"), ("startdate", "enddate")),
    *(("starttime", "endtime"), ("begintime", "endtime"), ("timestart", "timeend")),
    *(("beginposition", "endposition"), ("datefrom", "dateto"), ("start", "end")),
)
_NESTED = "acquisition"  # an object that holds such members

_BETWEEN = re.compile(r"[^a-z0-9]+")
_ZONE = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)
_DAY = timedelta(days=1)
_MILLISECONDS_FROM = 1e11  # as seconds that is the year 5138, as milliseconds 1973
_SECONDS_FROM = 1e8  # 1973: smaller numbers count something else
_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class _Span(NamedTuple):
    """A time, or a day, which begins and ends."""

    start: datetime
    end: datetime


def times_of(properties: Mapping[str, Any]) -> dict[str, str | None] | None:
    """Return STAC's members for the time of a feature; ``None`` where no property gives one.

    A day without a time, and a range, become a start and an end, with ``datetime`` ``null``.
    """
    named = {_plain(name): value for name, value in _members(properties)}
    instant = _read(named.get("datetime"))
    span = _range(named)
    if instant is None and span is None:
        instant = next((found for name in _INSTANTS if (found := _read(named.get(name)))), None)
    if instant is None and span is None:
        return None
    if instant is not None and instant.start != instant.end and span is None:
        instant, span = None, instant
    members: dict[str, str | None] = {"datetime": text_of(instant.start) if instant else None}
    if span is not None and span.start == span.end and instant is None:
        return {"datetime": text_of(span.start)}
    if span is not None:
        members |= {"start_datetime": text_of(span.start), "end_datetime": text_of(span.end)}
    return members


def text_of(moment: datetime) -> str:
    """Return a time as STAC writes it: RFC 3339, in UTC, with ``Z``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _members(properties: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the members of a nested object first, so that the feature's own go before them."""
    for name, value in properties.items():
        if _plain(name) == _NESTED and isinstance(value, dict):
            yield from value.items()
    yield from reversed(list(properties.items()))  # of two names for one thing the first counts


def _plain(name: str) -> str:
    return _BETWEEN.sub("", name.lower())


def _range(named: Mapping[str, Any]) -> _Span | None:
    for first, last in _RANGES:
        start, end = _read(named.get(first)), _read(named.get(last))
        if start and end and start.start <= end.end:
            return _Span(start.start, end.end)
    return None


def _read(value: Any) -> _Span | None:
    """The time that a value gives: text in a form of ISO 8601, or a number of seconds or milliseconds."""
    with suppress(ValueError, OverflowError, OSError):
        if isinstance(value, str):
            return _from_text(value.strip())
        if isinstance(value, int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value / 1000 if abs(value) >= _MILLISECONDS_FROM else value, UTC)
            return _plausible(_Span(moment, moment)) if value >= _SECONDS_FROM else None
    return None


def _from_text(text: str) -> _Span | None:
    with suppress(ValueError):
        start = datetime.combine(date.fromisoformat(text), time(), UTC)
        return _plausible(_Span(start, start + _DAY - timedelta(milliseconds=1)))
    moment = datetime.fromisoformat(_ZONE.sub("+00:00", text))
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    return _plausible(_Span(moment, moment))


def _plausible(span: _Span) -> _Span | None:
    """The span, unless it is of no time that data are of: numbers of other meaning, and fill values."""
    return span if span.start >= _EARLIEST and span.end < _LATEST else None
